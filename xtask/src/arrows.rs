//! The architecture, as data: each crate, the crates of ours it may use, and the heavy
//! dependencies that may live only there. ARCHITECTURE.md explains it; tidy holds it.

/// Each crate and the crates of ours that it may use.
pub(crate) const MAY_USE: &[(&str, &[&str])] = &[
    ("twinkeep-domain", &[]),
    ("twinkeep-vault", &["twinkeep-domain"]),
    ("twinkeep-ledger", &["twinkeep-domain", "twinkeep-vault"]),
    ("twinkeep-store", &["twinkeep-domain", "twinkeep-vault"]),
    ("twinkeep-intake", &["twinkeep-domain", "twinkeep-vault"]),
    ("twinkeep-forecast", &["twinkeep-domain"]),
    ("twinkeep-twin", &["twinkeep-domain", "twinkeep-forecast"]),
    ("twinkeep-registry", &["twinkeep-domain", "twinkeep-vault"]),
    ("twinkeep-connect", &["twinkeep-domain", "twinkeep-vault"]),
    (
        "twinkeep-app",
        &[
            "twinkeep-domain",
            "twinkeep-vault",
            "twinkeep-ledger",
            "twinkeep-store",
            "twinkeep-intake",
            "twinkeep-forecast",
            "twinkeep-twin",
            "twinkeep-registry",
            "twinkeep-connect",
        ],
    ),
    ("twinkeep-gate", &["twinkeep-domain", "twinkeep-vault", "twinkeep-app"]),
    ("twinkeep", &["twinkeep-domain", "twinkeep-vault", "twinkeep-app", "twinkeep-gate"]),
    ("xtask", &[]),
    (
        "fuzz",
        &[
            "twinkeep-domain",
            "twinkeep-vault",
            "twinkeep-ledger",
            "twinkeep-intake",
            "twinkeep-registry",
            "twinkeep-app",
            "twinkeep-gate",
        ],
    ),
];

/// Each heavy or delicate dependency and the crates of ours in which it may live.
pub(crate) const LIVES_IN: &[(&str, &[&str])] = &[
    ("aws-lc-rs", &["twinkeep-vault"]),
    ("hpke", &["twinkeep-vault"]),
    ("jsonwebtoken", &["twinkeep-vault"]),
    ("cedar-policy", &["twinkeep-app"]),
    ("argon2", &["twinkeep-vault"]),
    ("rcgen", &["twinkeep-vault"]),
    ("vsss-rs", &["twinkeep-vault"]),
    ("rusqlite", &["twinkeep-store"]),
    ("parquet", &["twinkeep-store", "twinkeep-intake"]),
    ("csv-core", &["twinkeep-intake"]),
    ("encoding_rs", &["twinkeep-intake"]),
    ("safetensors", &["twinkeep-registry"]),
    ("axum", &["twinkeep-gate"]),
    ("hyper", &["twinkeep-gate"]),
    ("landlock", &["twinkeep-gate"]),
    ("seccompiler", &["twinkeep-gate"]),
    ("libc", &["twinkeep-gate"]),
    ("close_fds", &["twinkeep-gate"]),
    ("tokio", &["twinkeep-gate", "twinkeep-connect"]),
    ("rustls", &["twinkeep-gate", "twinkeep-connect"]),
    ("tokio-postgres", &["twinkeep-connect"]),
    ("async-nats", &["twinkeep-connect"]),
    ("notify", &["twinkeep-app"]),
    ("clap", &["twinkeep"]),
    ("indicatif", &["twinkeep"]),
    ("rpassword", &["twinkeep"]),
];
