//! A port is dropped: nftables, in a table of our own.
//!
//! The table has one chain and a set of ports for each protocol; dropping a port puts it into a set.
//! The whole of it is given to the kernel in one transaction each time, so that it does not matter
//! what of it was there, and `nft` checks it first.

use serde::Deserialize;

use super::process::ports_of_program;
use super::run::{must, run};
use super::{HostBefore, HostError, HostGuards, HostPlan, Protocol};

pub(super) fn plan(
    port: u16,
    protocol: Protocol,
    guards: &HostGuards,
) -> Result<HostPlan, HostError> {
    check(port, guards)?;
    let script = script(port, protocol);
    must(NFT, &["-c", "-f", "-"], &script)?;
    let was_dropped = is_dropped(port, protocol)?;
    let undo = if was_dropped { Vec::new() } else { lines(&undo_script(port, protocol)) };
    Ok(HostPlan {
        commands: lines(&script),
        expected: format!("what comes to {} port {port} is dropped", protocol.name()),
        undo,
        before: HostBefore::from([(DROPPED.to_owned(), yes_or_no(was_dropped).to_owned())]),
    })
}

pub(super) fn commands(
    port: u16,
    protocol: Protocol,
    guards: &HostGuards,
) -> Result<Vec<String>, HostError> {
    check(port, guards)?;
    Ok(lines(&script(port, protocol)))
}

pub(super) fn apply(port: u16, protocol: Protocol, guards: &HostGuards) -> Result<(), HostError> {
    check(port, guards)?;
    must(NFT, &["-f", "-"], &script(port, protocol))?;
    match is_dropped(port, protocol)? {
        true => Ok(()),
        false => Err(HostError::Failed { program: NFT, says: "the port is not dropped".into() }),
    }
}

pub(super) fn undo(port: u16, protocol: Protocol, before: &HostBefore) -> Result<(), HostError> {
    if before.get(DROPPED).is_some_and(|was| was == yes_or_no(true)) || !is_dropped(port, protocol)?
    {
        return Ok(());
    }
    must(NFT, &["-f", "-"], &undo_script(port, protocol))?;
    // A table that drops nothing is not left behind.
    let empty =
        [Protocol::Tcp, Protocol::Udp].into_iter().map(dropped).collect::<Result<Vec<_>, _>>()?;
    if empty.iter().all(Vec::is_empty) {
        must(NFT, &["-f", "-"], "delete table inet twinkeep\n")?;
    }
    Ok(())
}

/// Refuses what would cut off those who look after the host.
fn check(port: u16, guards: &HostGuards) -> Result<(), HostError> {
    let of = |program: &str| ports_of_program(program).contains(&port);
    let ssh = || port == SSH || SSH_LISTENERS.into_iter().any(of);
    let guarded = guards.ports.contains(&port) || ssh();
    match guarded || port == 0 {
        true => Err(HostError::Guarded { what: format!("port {port}") }),
        false => Ok(()),
    }
}

/// The whole table. One statement a line: `nft` 1.0.6 does not take a chain and its rules in one.
fn script(port: u16, protocol: Protocol) -> String {
    let mut text = String::from(
        "add table inet twinkeep\n\
         add chain inet twinkeep input { type filter hook input priority -10; policy accept; }\n",
    );
    for of in [Protocol::Tcp, Protocol::Udp] {
        let (name, set) = (of.name(), of.set());
        text.push_str(&format!("add set inet twinkeep {set} {{ type inet_service; }}\n"));
        text.push_str(if of == Protocol::Tcp { "flush chain inet twinkeep input\n" } else { "" });
        text.push_str(&format!("add rule inet twinkeep input {name} dport @{set} counter drop\n"));
    }
    text.push_str(&format!("add element inet twinkeep {} {{ {port} }}\n", protocol.set()));
    text
}

fn undo_script(port: u16, protocol: Protocol) -> String {
    format!("delete element inet twinkeep {} {{ {port} }}\n", protocol.set())
}

fn is_dropped(port: u16, protocol: Protocol) -> Result<bool, HostError> {
    Ok(dropped(protocol)?.contains(&port))
}

/// Returns the ports that are dropped now.
fn dropped(protocol: Protocol) -> Result<Vec<u16>, HostError> {
    let said = run(NFT, &["-j", "list", "set", "inet", "twinkeep", protocol.set()], "")?;
    if !said.fine {
        return match said.err.contains("No such file or directory") {
            true => Ok(Vec::new()),
            false => Err(said.refusal(NFT)),
        };
    }
    let listing: Listing = serde_json::from_str(&said.out).map_err(|_| HostError::Failed {
        program: NFT,
        says: "what it lists is not understood".to_owned(),
    })?;
    let sets = listing.nftables.into_iter().filter_map(|item| item.set);
    Ok(sets.flat_map(|set| set.elem).collect())
}

/// What `nft -j list set` says (libnftables-json(5)); it has more fields, and more in other versions.
#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    set: Option<Set>,
}

#[derive(Deserialize)]
struct Set {
    #[serde(default)]
    elem: Vec<u16>,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    fn set(self) -> &'static str {
        match self {
            Self::Tcp => "tcp_ports",
            Self::Udp => "udp_ports",
        }
    }
}

fn lines(script: &str) -> Vec<String> {
    script.lines().map(|line| format!("nft {line}")).collect()
}

fn yes_or_no(it: bool) -> &'static str {
    if it { "yes" } else { "no" }
}

const NFT: &str = "nft";

const SSH: u16 = 22;

/// Who waits for connections of SSH: itself, or systemd for it (`ssh.socket`).
const SSH_LISTENERS: [&str; 2] = ["sshd", "systemd"];

const DROPPED: &str = "dropped";
