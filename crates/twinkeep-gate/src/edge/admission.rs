//! How many connections there may be: in total, and from one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::address::AddressKey;

/// Counts open connections.
pub(crate) struct Admission {
    count_max: usize,
    count_per_address_max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    count: usize,
    by_address: BTreeMap<AddressKey, usize>,
}

/// The right to be connected, given back on drop.
pub(crate) struct Ticket {
    admission: Arc<Admission>,
    address: AddressKey,
}

/// Why a connection was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The whole gate is full.
    Gate,
    /// This address has its share.
    Address,
}

impl Admission {
    /// Starts with no connection.
    pub(crate) fn new(count_max: usize, count_per_address_max: usize) -> Arc<Self> {
        Arc::new(Self { count_max, count_per_address_max, open: Mutex::default() })
    }

    /// Lets a connection in, or says what is full.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Ticket, Full> {
        let address = AddressKey::of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.count_max <= open.count {
            return Err(Full::Gate);
        }
        let from_address = open.by_address.get(&address).copied().unwrap_or_default();
        if self.count_per_address_max <= from_address {
            return Err(Full::Address);
        }
        open.by_address.insert(address, from_address + 1);
        open.count += 1;
        Ok(Ticket { admission: Arc::clone(self), address })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.count -= 1;
        match open.by_address.get_mut(&self.address) {
            Some(count) if 1 < *count => *count -= 1,
            // No entry without a connection: the map cannot grow beyond `count_max`.
            _ => _ = open.by_address.remove(&self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Full};

    #[test]
    fn connections_are_bounded_and_come_back() {
        let admission = Admission::new(3, 2);
        let (one, two) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = admission.admit(one).unwrap();
        let _second = admission.admit(one).unwrap();
        assert_eq!(admission.admit(one).err(), Some(Full::Address));
        let third = admission.admit(two).unwrap();
        assert_eq!(admission.admit(two).err(), Some(Full::Gate));
        drop(first);
        assert!(admission.admit(one).is_ok());
        drop(third);
        assert_eq!(admission.open.lock().unwrap().by_address.len(), 1);
    }
}
