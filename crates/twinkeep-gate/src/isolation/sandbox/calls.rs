//! The system calls that the edge may make, and those that the worker may not.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter, apply_filter_all_threads,
};

/// Why a filter could not be set.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallsError {
    /// The filter cannot be built for this kind of machine.
    #[error("cannot build the filter of system calls")]
    Build(#[from] BackendError),
    /// The kernel does not take it.
    #[error("cannot set the filter of system calls")]
    Set(#[from] seccompiler::Error),
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Lets the edge make these calls and no others. The process has one thread.
pub(super) fn allow_to_edge() -> Result<(), CallsError> {
    let mut rules: Rules = EDGE_MAY.iter().map(|&call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_ioctl, vec![rule(1, (SeccompCmpOp::Eq, libc::FIONBIO))?]);
    allow(rules)
}

/// Lets the courier make these calls and no others; with `names`, also those that ask for the
/// address of a name. The process has one thread.
pub(super) fn allow_to_courier(names: bool) -> Result<(), CallsError> {
    let mut rules: Rules = EDGE_MAY.iter().map(|&call| (call, Vec::new())).collect();
    rules.remove(&libc::SYS_accept4);
    rules.insert(libc::SYS_connect, Vec::new());
    let mut ioctl = vec![rule(1, (SeccompCmpOp::Eq, libc::FIONBIO))?];
    let kind = |kind: i32| SeccompCondition::new(1, SeccompCmpArgLen::Dword, KIND, kind as u64);
    let family = |family: i32| {
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family as u64)
    };
    let mut sockets = Vec::new();
    let kinds: &[i32] = match names {
        true => &[libc::SOCK_STREAM, libc::SOCK_DGRAM],
        false => &[libc::SOCK_STREAM],
    };
    for of in [libc::AF_INET, libc::AF_INET6] {
        for &which in kinds {
            sockets.push(SeccompRule::new(vec![family(of)?, kind(which)?])?);
        }
    }
    rules.insert(libc::SYS_socket, sockets);
    if names {
        rules.extend(NAMES_TAKE.iter().map(|&call| (call, Vec::new())));
        ioctl.push(rule(1, (SeccompCmpOp::Eq, libc::FIONREAD))?);
    }
    rules.insert(libc::SYS_ioctl, ioctl);
    allow(rules)
}

/// Sets a list of what may be done, with what every program of ours does.
fn allow(mut rules: Rules) -> Result<(), CallsError> {
    let own = u64::from(std::process::id());
    // Threads of its own, and no processes.
    rules.insert(libc::SYS_clone, vec![rule(0, bits(libc::CLONE_THREAD as u64, true)?)?]);
    // Memory is either written or executed.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![rule(2, bits(libc::PROT_EXEC as u64, false)?)?]);
    }
    let named = rule(0, (SeccompCmpOp::Eq, libc::PR_SET_NAME as u64))?;
    let labeled = rule(0, (SeccompCmpOp::Eq, libc::PR_SET_VMA as u64))?;
    rules.insert(libc::SYS_prctl, vec![named, labeled]);
    // The runtime wakes itself through such a pair; it leads nowhere else.
    let unix = rule(0, (SeccompCmpOp::Eq, libc::AF_UNIX as u64))?;
    rules.insert(libc::SYS_socketpair, vec![unix]);
    // How a panic ends the process.
    rules.insert(libc::SYS_tgkill, vec![rule(0, (SeccompCmpOp::Eq, own))?]);
    apply_filter(&program(clone3_unknown(), SeccompAction::Allow, unknown())?)?;
    apply_filter(&program(rules, refused(), SeccompAction::Allow)?)?;
    Ok(())
}

/// Forbids these calls to all threads of the worker.
pub(super) fn forbid_to_worker(network: bool) -> Result<(), CallsError> {
    let mut rules = Rules::new();
    let mut forbid = |call: c_long, conditions: Vec<SeccompRule>| {
        rules.insert(call, conditions.clone());
        // The same call under its other number (the x32 ABI); other machines have none.
        rules.insert(call | X32, conditions);
    };
    for &call in WORKER_MAY_NOT {
        forbid(call, Vec::new());
    }
    if network {
        // What a client of one service needs, and nothing below it.
        forbid(
            libc::SYS_socket,
            vec![
                rule(0, (SeccompCmpOp::Eq, libc::AF_PACKET as u64))?,
                rule(0, (SeccompCmpOp::Eq, libc::AF_VSOCK as u64))?,
                rule(1, bits(libc::SOCK_RAW as u64, true)?)?,
            ],
        );
    } else {
        for &call in NETWORK {
            forbid(call, Vec::new());
        }
        forbid(libc::SYS_socket, vec![rule(0, (SeccompCmpOp::Ne, libc::AF_UNIX as u64))?]);
    }
    for &call in X32_ONLY {
        forbid(call, Vec::new());
    }
    apply_filter_all_threads(&program(rules, SeccompAction::Allow, refused())?)?;
    Ok(())
}

fn program(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, CallsError> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, otherwise, matched, machine)?.try_into()?)
}

/// The argument of this number compares so, as the 32 bits that the kernel looks at.
fn rule(argument: u8, (compare, value): (SeccompCmpOp, u64)) -> Result<SeccompRule, CallsError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// All of these bits are set, or none.
fn bits(mask: u64, set: bool) -> Result<(SeccompCmpOp, u64), CallsError> {
    Ok((SeccompCmpOp::MaskedEq(mask), if set { mask } else { 0 }))
}

/// The arguments of `clone3` lie in memory, where no filter can look: the C library is told that
/// there is no such call, and uses `clone`.
fn clone3_unknown() -> Rules {
    BTreeMap::from([(libc::SYS_clone3, Vec::new())])
}

fn unknown() -> SeccompAction {
    SeccompAction::Errno(libc::ENOSYS as u32)
}

fn refused() -> SeccompAction {
    SeccompAction::Errno(libc::EPERM as u32)
}

/// What the edge's runtime does with its sockets, its memory, and its threads. `clone3` is here so
/// that the answer is the one of [`clone3_unknown`].
const EDGE_MAY: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_close,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_fcntl,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_eventfd2,
    libc::SYS_futex,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_membarrier,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What asking for the address of a name takes besides: reading a few files, and sending two
/// questions at once.
const NAMES_TAKE: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_sendmmsg,
    libc::SYS_uname,
];

/// The kind of a socket, without the flags that may be set with it.
const KIND: SeccompCmpOp = SeccompCmpOp::MaskedEq(0xf);

/// What nothing in a worker does: start programs, look into other processes, change the system,
/// and reach files or sockets by ways that filters and Landlock do not see.
const WORKER_MAY_NOT: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_personality,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_mknodat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// How a process comes to talk to another that it is not connected to.
const NETWORK: &[c_long] =
    &[libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4, libc::SYS_connect];

/// The bit that marks a call of the x32 ABI.
const X32: c_long = 0x4000_0000;

/// Calls that have a number of their own in the x32 ABI: `execve`, `ptrace`, `execveat`,
/// `process_vm_readv`, `process_vm_writev`.
const X32_ONLY: &[c_long] = if cfg!(target_arch = "x86_64") {
    &[X32 | 520, X32 | 521, X32 | 545, X32 | 539, X32 | 540]
} else {
    &[]
};
