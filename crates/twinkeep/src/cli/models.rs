//! The words of what is done with models: train, evaluate, release.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::DeidentifyRule;

/// Arguments of `train`.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep train --seed 7 --threads 4")]
pub(crate) struct TrainArgs {
    /// Threads; the result does not depend on it [default: from the configuration]
    #[arg(long)]
    pub(crate) threads: Option<u32>,

    /// Seed of row and column sampling [default: from the configuration]
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// Who trains, tunes, and is held out: CSV or Parquet with `subject_id` and `split`, as MEDS
    /// has it [default: the keep's keyed hash of each subject]
    #[arg(long, value_name = "FILE")]
    pub(crate) splits: Option<PathBuf>,

    /// Learn anew what an interrupted training of the same has learned already
    ///
    /// Otherwise it goes on where it was, to the same result; a training of other data, another
    /// pack, seed, split, or program starts over by itself.
    #[arg(long)]
    pub(crate) start_over: bool,

    /// Fewest subjects in a leaf of a tree, which protects them [default: as the pack says]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) leaf_subjects: Option<u32>,

    /// Measure what the protection of privacy costs in error, by a model without it
    #[arg(long)]
    pub(crate) privacy_cost: bool,
}

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: twinkeep evaluate --model VERSION --source other-hospital/ --site other --cut 12h --report report.html"
)]
pub(crate) struct EvaluateArgs {
    /// The version, from `model list` [default: the one in service]
    #[arg(long, value_name = "VERSION")]
    pub(crate) model: Option<String>,

    /// Measure on the keep's people of this split
    #[arg(long, value_enum, default_value_t = SplitName::HeldOut, conflicts_with = "source")]
    pub(crate) split: SplitName,

    /// Measure on this file, folder, archive, or sealed feed, which is screened and not stored
    ///
    /// People of it whom the model may have learned from are left out.
    #[arg(long, value_name = "PATH")]
    pub(crate) source: Option<PathBuf>,

    /// Whose record numbers a plain source speaks in [default: local]
    #[arg(long, value_name = "NAME", requires = "source")]
    pub(crate) site: Option<String>,

    /// Accept times in the future: the dates were shifted to protect people, as in MIMIC
    #[arg(long, requires = "source")]
    pub(crate) dates_shifted: bool,

    /// What the columns of tables mean: a shipped mapping or a file [default: the one that fits]
    #[arg(long, value_name = "NAME|FILE", requires = "source")]
    pub(crate) mapping: Option<String>,

    /// Take out what names people, by this rule, and shift all dates of a person alike
    #[arg(long, value_name = "RULE", requires = "source")]
    pub(crate) deidentify: Option<DeidentifyRule>,

    /// The file of splits that the version was trained with
    #[arg(long, value_name = "FILE")]
    pub(crate) splits: Option<PathBuf>,

    /// Stand this long after the first event: `24h`, `3d`, `2w` [default: as the pack says]
    #[arg(long, value_name = "TIME", value_parser = hours)]
    pub(crate) cut: Option<f32>,

    /// Look this far ahead [default: as far as the pack does]
    #[arg(long, value_name = "TIME", value_parser = hours)]
    pub(crate) horizon: Option<f32>,

    /// Write every observed value beside its forecast, as Parquet: plaintext, mode 0600
    ///
    /// It names people by the sources' own identifiers.
    #[arg(long, value_name = "FILE")]
    pub(crate) predictions: Option<PathBuf>,

    /// Write the figures as a page: HTML with pictures, no personal data
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// A split, as MEDS calls it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SplitName {
    /// What models learn from
    Train,
    /// What choices are made on
    Tuning,
    /// What models never saw
    #[value(name = "held_out")]
    HeldOut,
}

/// Reads a length of time: a number with `h`, `d`, or `w`.
pub(super) fn hours(text: &str) -> Result<f32, String> {
    let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "h" => 1.0,
        "d" => 24.0,
        "w" => 168.0,
        _ => return Err("write a number with `h`, `d`, or `w`, such as `24h`".to_owned()),
    };
    let number = number.parse::<f32>().ok().filter(|number| number.is_finite());
    number.map(|number| number * factor).ok_or_else(|| "this is no number of hours".to_owned())
}

/// Arguments of `model sign`.
#[derive(Debug, Args)]
pub(crate) struct SignModelArgs {
    /// The folder or file
    #[arg(value_name = "PATH")]
    pub(crate) model: PathBuf,

    /// The private key, as PEM, on P-256, P-384, or P-521 (mode 0600)
    #[arg(long, value_name = "FILE")]
    pub(crate) private_key: PathBuf,

    /// A certificate, as PEM (repeat: the signer's own first, then those who vouch for it)
    #[arg(long = "certificate", value_name = "FILE")]
    pub(crate) certificates: Vec<PathBuf>,

    /// Where the signature is written; by default, model.sig in the folder, or FILE.sig
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Leave this file or folder out (repeat for several)
    #[arg(long = "ignore", value_name = "PATH")]
    pub(crate) ignored: Vec<PathBuf>,

    /// Give every so many bytes a digest of their own
    #[arg(long, value_name = "BYTES")]
    pub(crate) shard_size: Option<NonZero<u64>>,

    /// Follow links that stay in the folder
    #[arg(long)]
    pub(crate) follow_links: bool,
}

/// Arguments of `model verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyModelArgs {
    /// The version, from `model list`; a folder or file, with `--public-key` or `--authority`
    #[arg(value_name = "VERSION|PATH")]
    pub(crate) target: String,

    /// Believe the holder of this key (PEM)
    #[arg(long, value_name = "FILE", conflicts_with = "authorities")]
    pub(crate) public_key: Option<PathBuf>,

    /// Believe whom this authority vouches for (PEM; repeat for several)
    #[arg(long = "authority", value_name = "FILE")]
    pub(crate) authorities: Vec<PathBuf>,

    /// Refuse whom this file revokes: keys by the SHA-256 of their PEM text, one a line, or
    /// revocation lists (CRL, PEM; repeat for several)
    #[arg(long = "revoked", value_name = "FILE")]
    pub(crate) revoked: Vec<PathBuf>,

    /// The signature; by default, model.sig in the folder, or FILE.sig
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Option<PathBuf>,

    /// Leave this file or folder out (repeat for several)
    #[arg(long = "ignore", value_name = "PATH")]
    pub(crate) ignored: Vec<PathBuf>,

    /// Leave files alone that were not signed
    #[arg(long)]
    pub(crate) allow_unsigned: bool,

    /// Also take what releases of the reference client before 0.3 signed, in another encoding
    #[arg(long)]
    pub(crate) allow_legacy: bool,
}

/// Arguments of `model import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: twinkeep model import classifier/ --public-key maker.pub --revoked lost-keys.txt"
)]
pub(crate) struct ImportModelArgs {
    /// The folder or file
    #[arg(value_name = "PATH")]
    pub(crate) model: PathBuf,

    /// Believe the holder of this key (PEM)
    #[arg(long, value_name = "FILE", conflicts_with = "authorities")]
    pub(crate) public_key: Option<PathBuf>,

    /// Believe whom this authority vouches for (PEM; repeat for several)
    #[arg(long = "authority", value_name = "FILE")]
    pub(crate) authorities: Vec<PathBuf>,

    /// Do not believe whom this file revokes: keys by the SHA-256 of their PEM text, one a line, or
    /// revocation lists (CRL, PEM; repeat for several)
    #[arg(long = "revoked", value_name = "FILE")]
    pub(crate) revoked: Vec<PathBuf>,

    /// The signature; by default, model.sig in the folder, or FILE.sig, if there is one
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Option<PathBuf>,
}

/// `model ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep model release m-0123456789ab --reason \"first release\"")]
pub(crate) enum ModelCommand {
    /// List the versions and imported models, and their states
    List,
    /// Show one version's card and evaluation
    Show {
        /// The version, from `model list`
        version: String,
    },
    /// Verify a version of the keep, or any model that was signed
    ///
    /// A version: signature, digests, tensors. With `--public-key` or `--authority`, a folder or a
    /// file that carries a signature of OpenSSF Model Signing v1.0; no keep is needed.
    Verify(VerifyModelArgs),
    /// Sign a folder or a file, with a key or a certificate (OpenSSF Model Signing v1.0)
    ///
    /// Whoever has the public key can verify it, with this program or another one.
    Sign(SignModelArgs),
    /// Take a model in from elsewhere: checked to its last byte, or quarantined
    ///
    /// It is kept encrypted. Only formats that hold data and nothing else are checked: safetensors,
    /// configurations as JSON, tokenizers, and prose such as README.md, decided by content and not by
    /// name. Anything else is quarantined as "unsupported, not scanned", and so is what nobody signed
    /// who is believed; the exit code is 1 then. What another keep exported becomes a candidate.
    Import(ImportModelArgs),
    /// Write a version into a new folder, signed, for another keep or other programs
    ///
    /// The weights in it are not encrypted.
    Export {
        /// The version, from `model list`
        version: String,
        /// The folder, which must not be there yet
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Check a candidate, and put it into service
    ///
    /// It must verify, be within the pack's privacy limits, have intervals that hold, and be not
    /// worse than the version in service on people neither was learned from, whole and in each
    /// subgroup; and as many approvers must agree as the keep asks for.
    Release(ReleaseArgs),
    /// Compare a version with another one, on people neither was learned from, and on canaries
    ///
    /// The difference of their errors, for everybody, for the subgroups of the pack, and for people
    /// who came by feeds that the other one could know; and how far answers to the other one's
    /// canaries moved. `release` asks the same. The exit code is 1 if it would be refused.
    Compare(CompareModelsArgs),
    /// What does each feed do to the error of each target? Learn without it, and compare
    ///
    /// Models are learned from everybody, without the people of each feed, and without as many
    /// others drawn by lot, and measured on held-out people. A feed that makes a target worse beyond
    /// chance is an incident, which holds nothing; the exit code is 1 then. What is learned is not
    /// kept.
    Influence(InfluenceArgs),
    /// Put a version into service that was released to stand by
    Promote {
        /// The version, from `model list`
        version: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Put a version into service that was there before
    Rollback {
        /// Which one; by default, the one before
        #[arg(long, value_name = "VERSION")]
        to: Option<String>,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Name the version that serves when the one in service fails
    ///
    /// By default it is the one that was in service before.
    Backup {
        /// The version, from `model list`
        version: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Take a version or an imported model away; if it is in service, the backup takes its place
    Quarantine {
        /// The version or imported model, from `model list`
        version: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Make a version in quarantine a candidate again, if an approver agrees
    Restore {
        /// The version, from `model list`
        version: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// The statement of an approver who agrees (repeat for several)
        #[arg(long = "approval", value_name = "FILE", required = true)]
        approvals: Vec<PathBuf>,
    },
    /// Learn a version anew, and see that the same weights come out
    Reproduce {
        /// The version, from `model list`
        version: String,
        /// The file of splits that it was trained with, if it was trained with one
        #[arg(long, value_name = "FILE")]
        splits: Option<PathBuf>,
    },
    /// Write what an approver is asked to agree to
    Request {
        /// The version, from `model list`
        version: String,
        /// What for
        #[arg(long = "for", value_enum, default_value = "release")]
        purpose: PurposeName,
        /// Where to write it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Agree to a request with one's own identity; needs no keep
    Approve {
        /// The request
        request: PathBuf,
        /// The approver's identity
        #[arg(long, value_name = "FILE")]
        identity: PathBuf,
        /// Why
        #[arg(long)]
        reason: String,
        /// Where to write the approval; by default, beside the request
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Name those whose agreement counts
    #[command(subcommand)]
    Approver(ApproverCommand),
}

/// Arguments of `model release`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// The version, from `model list`
    pub(crate) version: String,
    /// Why
    #[arg(long)]
    pub(crate) reason: String,
    /// Only say that it may serve: `model promote` puts it into service
    #[arg(long)]
    pub(crate) stand_by: bool,
    /// The statement of an approver who agrees (repeat for several)
    #[arg(long = "approval", value_name = "FILE")]
    pub(crate) approvals: Vec<PathBuf>,
    /// Learn it anew first, and refuse it if other weights come out
    #[arg(long)]
    pub(crate) reproduce: bool,
    /// The file of splits that both versions were trained with, if they were trained with one
    #[arg(long, value_name = "FILE")]
    pub(crate) splits: Option<PathBuf>,
    /// Do not compare it with the version in service; that is on record
    #[arg(long)]
    pub(crate) without_comparison: bool,
}

/// Arguments of `model compare`.
#[derive(Debug, Args)]
#[command(after_help = "Example: twinkeep model compare m-0123456789ab")]
pub(crate) struct CompareModelsArgs {
    /// The version, from `model list`
    pub(crate) version: String,
    /// The other one [default: the one in service]
    #[arg(long, value_name = "VERSION")]
    pub(crate) with: Option<String>,
    /// The file of splits that both were trained with, if they were trained with one
    #[arg(long, value_name = "FILE")]
    pub(crate) splits: Option<PathBuf>,
}

/// Arguments of `model influence`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: twinkeep model influence --by sender --target HR --target Glucose"
)]
pub(crate) struct InfluenceArgs {
    /// What is left out, one after the other
    #[arg(long, value_enum, default_value = "feed")]
    pub(crate) by: InfluenceByName,
    /// Only this feed, from `feed list`, or this sender, or site of plain feeds (repeat for several)
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Only this target (repeat for several) [default: all that are about a value]
    #[arg(long = "target", value_name = "CODE")]
    pub(crate) targets: Vec<String>,
    /// The file of splits that models are trained with, if they are trained with one
    #[arg(long, value_name = "FILE")]
    pub(crate) splits: Option<PathBuf>,
    /// Threads; the result does not depend on it [default: from the configuration]
    #[arg(long)]
    pub(crate) threads: Option<u32>,
    /// Seed of all trainings [default: from the configuration]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Show targets that nothing is known of, too
    #[arg(long)]
    pub(crate) all: bool,
}

/// What is left out.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum InfluenceByName {
    /// One feed
    Feed,
    /// All feeds of a sender; plain feeds by their site
    Sender,
}

/// What an approver is asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PurposeName {
    /// That a version serves
    Release,
    /// That a version leaves quarantine
    Restore,
}

/// Subcommands of `model approver`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: twinkeep model approver add ada.identity.pub")]
pub(crate) enum ApproverCommand {
    /// List the approvers, and how many must agree
    List,
    /// Name an approver by their public identity
    Add {
        /// Their `.identity.pub`
        identity: PathBuf,
    },
    /// Take an approver away
    Remove {
        /// The name, from `model approver list`
        name: String,
    },
    /// Say how many must agree before a version is released
    Require {
        /// How many; 0 asks for nobody
        count: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::hours;

    #[test]
    fn lengths_of_time_have_a_unit() {
        let read = ["24h", "1.5d", "2w", "0.5h"].map(|text| hours(text).unwrap());
        assert_eq!(read, [24.0, 36.0, 336.0, 0.5]);
        for text in ["", "24", "h", "24m", "1e99h", "NaNh", "24 h", "2h30m"] {
            assert!(hours(text).is_err(), "{text}");
        }
    }
}
