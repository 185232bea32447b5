//! Tests of secret memory: where it lies, and that nothing stays.

use std::fs;
use std::os::unix::fs::FileExt as _;

use super::{SecretBytes, SecretKey};
use crate::Purpose;

#[test]
fn keys_of_different_purpose_or_context_differ() {
    let key = SecretKey::random();
    let one = key.derive(Purpose::ShardKey, b"a");
    assert_eq!(one.expose(), key.derive(Purpose::ShardKey, b"a").expose());
    assert_ne!(one.expose(), key.derive(Purpose::ShardKey, b"b").expose());
    assert_ne!(one.expose(), key.derive(Purpose::ModelKey, b"a").expose());
}

#[test]
fn secrets_are_not_printed() {
    let key = SecretKey::from_slice(&[7; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "SecretKey(hidden)");
    assert_eq!(format!("{:?}", SecretBytes::new(vec![7])), "SecretBytes(hidden)");
    assert!(SecretKey::from_slice(&[7; 31]).is_none());
    assert!(SecretKey::from_slice(&[7; 33]).is_none());
}

#[test]
fn the_system_says_that_keys_are_locked_and_not_dumped() {
    let keys: Vec<SecretKey> = (0..2_000).map(|_| SecretKey::random()).collect();
    for key in keys.iter().step_by(500) {
        let flags = memory_flags(key.expose().as_ptr().addr());
        let has = |flag: &str| flags.split(' ').any(|found| found == flag);
        assert!(has("dd"), "left out of core dumps: {flags}");
        assert_eq!(has("lo"), key.memory_locked(), "locked: {flags}");
    }
}

/// What reads a process's memory from outside asks the kernel, as this does.
#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn where_the_kernel_has_secret_memory_a_key_is_out_of_its_own_reach() {
    let memory = fs::File::open("/proc/self/mem").unwrap();
    let read = |address: usize| {
        let mut bytes = [0; 32];
        memory.read_exact_at(&mut bytes, address as u64).map(|()| bytes)
    };
    let ordinary = Box::new([0x5a_u8; 32]);
    assert_eq!(read(ordinary.as_ptr().addr()).unwrap(), *ordinary);
    let key = SecretKey::random();
    let address = key.expose().as_ptr().addr();
    match mapping(address) {
        name if name.contains("secretmem") => {
            assert!(read(address).is_err(), "the kernel reads a key");
            assert!(key.memory_locked());
        }
        // The limit on locked memory holds for both kinds.
        _ if key.memory_locked() && super::locked::secret_file().is_some() => {
            panic!("the key lies elsewhere")
        }
        _ => println!("skipped: the kernel has no memfd_secret"),
    }
}

#[test]
fn pages_of_large_secrets_are_not_dumped_while_they_hold_one() {
    let secret = SecretBytes::zeroed(4 << 20);
    let middle = secret.expose()[2 << 20..].as_ptr().addr();
    assert!(memory_flags(middle).split(' ').any(|flag| flag == "dd"));
}

#[test]
fn no_two_keys_share_memory_and_a_dropped_key_leaves_nothing() {
    let marker = [0xa7; 32];
    let addresses: Vec<usize> = {
        let keys: Vec<SecretKey> =
            (0..1_500).map(|_| SecretKey::from_slice(&marker).unwrap()).collect();
        let mut addresses: Vec<usize> =
            keys.iter().map(|key| key.expose().as_ptr().addr()).collect();
        addresses.sort_unstable();
        assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] >= 32));
        addresses
    };
    // The freed places are handed out again, after those that other tests freed since; whatever comes
    // back was wiped before.
    let mut slots = Vec::new();
    let mut reused = 0;
    while slots.len() < 100 || (reused == 0 && slots.len() < 20_000) {
        let slot = super::locked::Slot::take();
        reused += usize::from(addresses.binary_search(&slot.bytes().as_ptr().addr()).is_ok());
        assert_eq!(slot.bytes(), &[0; 32]);
        slots.push(slot);
    }
    assert!(reused > 0, "no freed place was looked at");
}

#[test]
fn keys_are_made_and_dropped_by_many_threads() {
    std::thread::scope(|scope| {
        for seed in 0..8 {
            scope.spawn(move || {
                for round in 0..2_000_u32 {
                    let key = SecretKey::from_slice(&[seed; 32]).unwrap();
                    let copy = key.clone();
                    drop(key);
                    assert_eq!(copy.expose(), &[seed; 32], "round {round}");
                }
            });
        }
    });
}

/// Returns the `VmFlags` of the mapping that holds `address`.
fn memory_flags(address: usize) -> String {
    let about = about(address);
    let flags = about.iter().find_map(|line| line.strip_prefix("VmFlags: "));
    flags.unwrap_or_default().trim().to_owned()
}

/// Returns the first line about the mapping that holds `address`: its range and its name.
fn mapping(address: usize) -> String {
    about(address).first().cloned().unwrap_or_default()
}

/// Returns what the system says about the mapping that holds `address`.
fn about(address: usize) -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut found = Vec::new();
    let mut inside = false;
    for line in maps.lines() {
        let range = line.split(' ').next().unwrap().split_once('-');
        if let Some((from, to)) = range
            && let Ok(from) = usize::from_str_radix(from, 16)
            && let Ok(to) = usize::from_str_radix(to, 16)
        {
            inside = (from..to).contains(&address);
        }
        if inside {
            found.push(line.to_owned());
        }
    }
    found
}
