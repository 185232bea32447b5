//! Real pushes into a repository whose hook is the one that the program prints.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::harness::{Place, peer, write};

/// A repository that is pushed to, and one that is pushed from.
struct Forge {
    place: Place,
    commits: Cell<u32>,
}

impl Forge {
    fn new() -> Option<Self> {
        peer("ssh-keygen").and(peer("git"))?;
        let place = Place::empty();
        let forge = Self { place, commits: Cell::new(0) };
        for name in ["ada", "bo", "stranger"] {
            let path = forge.place.path(name);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-N", "", "-C", "", "-f"])
                .arg(path)
                .status();
            assert!(made.unwrap().success());
        }
        let key =
            |name: &str| fs::read_to_string(forge.place.path(&format!("{name}.pub"))).unwrap();
        // The key of Ada never ends, which is a finding of its own and no fault of a push.
        let (ada, bo) = (key("ada"), key("bo"));
        let list = format!("ada@example.org {ada}bo@example.org branches=\"docs/*\" {bo}");
        write(&forge.place.path("signers"), list.as_bytes());
        forge.done(&["init", "--quiet", "--bare", "store.git"]);
        let hint = forge.place.show(&["scan", "--install-hint"]).stdout;
        let signers = forge.place.path("signers").display().to_string();
        let hook = forge.place.path("store.git/hooks/pre-receive");
        write(&hook, hint.replace("SIGNERS", &signers).as_bytes());
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).unwrap();
        forge.done(&["init", "--quiet", "--initial-branch", "main", "work"]);
        Some(forge)
    }

    fn git(&self, arguments: &[&str]) -> (bool, String) {
        let program = Path::new(env!("CARGO_BIN_EXE_twinkeep")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let output = Command::new("git")
            .current_dir(self.place.folder())
            .args(["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "gpg.format=ssh"])
            .args(arguments)
            .env("PATH", format!("{}:{path}", program.display()))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let (done, said) = self.git(arguments);
        assert!(done, "{arguments:?}: {said}");
        said
    }

    /// Makes a commit, signed with a key or with none.
    #[track_caller]
    fn commit(&self, key: Option<&str>) {
        let key = key.map(|name| self.place.path(&format!("{name}.pub")).display().to_string());
        let signing = format!("user.signingKey={}", key.as_deref().unwrap_or_default());
        let sign = if key.is_some() { "-S" } else { "--no-gpg-sign" };
        // Within one second, the same change by the same key would be the same commit.
        self.commits.set(self.commits.get() + 1);
        let message = format!("Change {}", self.commits.get());
        let commit = ["commit", "--quiet", "--allow-empty", sign, "-m", &message];
        self.done(&[&["-C", "work", "-c", &signing][..], &commit].concat());
    }

    #[track_caller]
    fn work(&self, arguments: &[&str]) -> String {
        self.done(&[&["-C", "work"], arguments].concat())
    }

    fn push(&self, names: &[&str]) -> (bool, String) {
        self.git(&[&["-C", "work", "push", "../store.git"], names].concat())
    }

    #[track_caller]
    fn taken(&self, names: &[&str]) {
        let (taken, said) = self.push(names);
        assert!(taken, "{names:?}: {said}");
    }

    /// Pushes what must be refused for this reason, and sees that the repository is as it was.
    #[track_caller]
    fn refused(&self, names: &[&str], why: &str) {
        let before = self.git(&["-C", "store.git", "for-each-ref"]);
        let (taken, said) = self.push(names);
        assert!(!taken, "{names:?} was taken");
        // What the hook says is cut into lines for whoever pushes.
        let told = said.replace("remote:", " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(why) && told.contains("hook declined"), "{names:?}: {said}");
        assert_eq!(self.git(&["-C", "store.git", "for-each-ref"]), before);
    }
}

#[test]
fn a_push_is_taken_only_if_somebody_on_the_list_signed_it() {
    let Some(forge) = Forge::new() else { return };
    forge.commit(Some("ada"));
    forge.taken(&["main"]);
    forge.taken(&["main:refs/heads/same"]);
    forge.taken(&["main:refs/heads/docs/guide"]);
    forge.commit(Some("ada"));
    forge.taken(&["main"]);
    for (key, why) in [(None, "is not signed"), (Some("stranger"), "not on the list")] {
        forge.commit(key);
        forge.refused(&["main"], why);
        // Nor by way of a new branch, another name, a merge, or a tag that is in order.
        forge.refused(&["main:refs/heads/new"], why);
        forge.refused(&["main:refs/for/main"], why);
        forge.work(&["tag", "-f", "light"]);
        forge.refused(&["light"], why);
        forge.commit(Some("ada"));
        forge.refused(&["main"], why);
        forge.work(&["reset", "--quiet", "--hard", "HEAD~2"]);
    }
    // One bad branch keeps the good one out, too.
    forge.commit(Some("ada"));
    forge.work(&["branch", "good"]);
    forge.commit(None);
    forge.refused(&["good", "main"], "is not signed");
    forge.work(&["reset", "--quiet", "--hard", "HEAD~1"]);
    forge.taken(&["good", "main"]);
    // What is taken away needs no signature; history that is written anew is refused.
    forge.taken(&["--delete", "good"]);
    forge.work(&["reset", "--quiet", "--hard", "HEAD~1"]);
    forge.commit(Some("ada"));
    forge.refused(&["--force", "main"], "history was written anew");
}

#[test]
fn branches_and_tags_need_their_own_permission_in_a_push() {
    let Some(forge) = Forge::new() else { return };
    forge.commit(Some("ada"));
    forge.taken(&["main", "main:refs/heads/docs/guide"]);
    forge.commit(Some("bo"));
    forge.refused(&["main"], "is on a branch that line 2 of the list does not name");
    forge.taken(&["main:refs/heads/docs/guide"]);
    // What came by a branch that Bo may write does not come out on one that he may not.
    forge.refused(&["main:refs/heads/release"], "is on a branch that line 2");
    forge.work(&["reset", "--quiet", "--hard", "HEAD~1"]);

    let key = |name: &str| {
        let path = forge.place.path(&format!("{name}.pub"));
        format!("user.signingKey={}", path.display())
    };
    let (ada, stranger) = (key("ada"), key("stranger"));
    forge.work(&["tag", "light"]);
    forge.refused(&["light"], "is a mere name of a commit");
    forge.work(&["-c", &stranger, "tag", "-s", "-m", "Release", "theirs"]);
    forge.refused(&["theirs"], "not on the list");
    forge.work(&["tag", "-a", "-m", "Release", "unsigned"]);
    forge.refused(&["unsigned"], "is not signed");
    forge.work(&["-c", &ada, "tag", "-s", "-m", "Release", "v1"]);
    forge.taken(&["v1"]);
    // A tag brings its branch, and both are judged once.
    forge.commit(Some("ada"));
    forge.work(&["-c", &ada, "tag", "-s", "-m", "Release", "v2"]);
    forge.taken(&["main", "v2"]);
    forge.commit(None);
    forge.work(&["-c", &ada, "tag", "-s", "-m", "Release", "v3"]);
    forge.refused(&["v3"], "is not signed");
    forge.taken(&["--delete", "v1"]);
}

#[test]
fn a_history_that_began_without_signatures_is_taken_as_it_is() {
    let Some(forge) = Forge::new() else { return };
    forge.commit(None);
    forge.refused(&["main"], "is not signed");
    let began = forge.work(&["rev-parse", "HEAD"]);
    let hook = forge.place.path("store.git/hooks/pre-receive");
    let since = format!("--pushed --since {}", began.trim());
    let text = fs::read_to_string(&hook).unwrap().replace("--pushed", &since);
    write(&hook, text.as_bytes());
    forge.taken(&["main"]);
    forge.commit(Some("ada"));
    forge.taken(&["main", "main:refs/heads/new"]);
    forge.commit(None);
    forge.refused(&["main"], "is not signed");
    // Without its list, the hook takes nothing.
    forge.work(&["reset", "--quiet", "--hard", "HEAD~1"]);
    fs::remove_file(forge.place.path("signers")).unwrap();
    forge.refused(&["main:refs/heads/other"], "collecting facts from");
}
