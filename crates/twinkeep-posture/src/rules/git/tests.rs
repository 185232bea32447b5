//! Each rule over facts that were collected from a real repository.

use crate::collect::git::tests::repository::{Key, Repository};
use crate::collect::git::{Options, collect};
use crate::facts::Facts;
use crate::facts::git::Git;
use crate::rules::find;

/// What a rule says: outcomes with their words, without names of commits and keys.
fn says(rule: &str, git: &Git) -> Vec<String> {
    let judged = find(rule).unwrap().check.judge(&Facts::Git(Box::new(git.clone()))).unwrap();
    let words = judged.iter().map(|it| format!("{} {}", it.outcome.word(), it.outcome.says()));
    let plain = words.map(|said| {
        let plain = |word| if str::starts_with(word, "SHA256:") { "KEY" } else { word };
        said.split(' ').map(plain).collect::<Vec<_>>().join(" ").trim().to_owned()
    });
    plain.collect()
}

#[test]
fn commits_are_held_against_the_list() {
    let mut repository = Repository::new();
    for name in ["ada", "bo", "late", "stranger"] {
        repository.ssh_key(name, &["-t", "ed25519"]);
    }
    repository.list_ssh("ada", "");
    repository.commit(Key::Ssh("ada"), "src/main.rs");
    assert_eq!(says("git-commits", &repository.facts()), ["pass"]);
    repository.list_ssh("bo", "paths=\"docs/**\",roles=\"commit\"");
    repository.list_ssh("late", "valid-before=\"20200101\"");
    repository.commit(Key::Ssh("bo"), "docs/a/b.md");
    assert_eq!(says("git-commits", &repository.facts()), ["pass"]);
    repository.commit(Key::Ssh("bo"), "src/main.rs");
    repository.commit(Key::Ssh("late"), "src/main.rs");
    repository.commit(Key::Ssh("stranger"), "src/main.rs");
    repository.commit(Key::None, "src/main.rs");
    let wanted = [
        "fail is not signed",
        "fail is signed by the key KEY which is not on the list",
        "fail was signed when line 3 of the list did not hold",
        "fail changes files that line 2 of the list does not name",
    ];
    assert_eq!(says("git-commits", &repository.facts()), wanted);
}

/// A file that is called as the commit before does not hide the files after it.
#[test]
fn a_file_may_be_called_as_a_commit() {
    let mut repository = Repository::new();
    for name in ["ada", "bo"] {
        repository.ssh_key(name, &["-t", "ed25519"]);
    }
    repository.list_ssh("ada", "");
    repository.list_ssh("bo", "paths=\"docs/**\"");
    let before = repository.commit(Key::Ssh("ada"), "src/main.rs");
    std::fs::File::create(repository.work().join(before)).unwrap();
    repository.commit(Key::Ssh("bo"), "src/main.rs");
    assert_eq!(
        says("git-commits", &repository.facts()),
        ["fail changes files that line 2 of the list does not name"]
    );
}

/// A tag that is called as a branch is not what is looked at.
#[test]
fn a_branch_is_meant_where_a_tag_is_called_so_too() {
    let mut repository = Repository::new();
    repository.ssh_key("ada", &["-t", "ed25519"]);
    repository.list_ssh("ada", "");
    let good = repository.commit(Key::Ssh("ada"), "file");
    repository.commit(Key::None, "file");
    repository.git(&["tag", "main", &good]);
    let list = repository.path("list");
    let options = Options { branch: Some("main"), signers: Some(&list), since: None };
    let facts = collect(&repository.work(), options).unwrap();
    assert_eq!(says("git-commits", &facts), ["fail is not signed"]);
}

#[test]
fn a_merge_and_a_branch_need_their_own_permission() {
    let mut repository = Repository::new();
    repository.ssh_key("ada", &["-t", "ed25519"]);
    repository.ssh_key("bo", &["-t", "ed25519"]);
    repository.list_ssh("ada", "roles=\"commit\"");
    repository.list_ssh("bo", "branches=\"release/*\"");
    repository.commit(Key::Ssh("ada"), "file");
    repository.git(&["switch", "--quiet", "-c", "side"]);
    repository.commit(Key::Ssh("ada"), "other");
    repository.git(&["switch", "--quiet", "main"]);
    repository.signed(Key::Ssh("ada"), &["merge", "--quiet", "--no-ff", "-S", "-m", "M", "side"]);
    repository.commit(Key::Ssh("bo"), "file");
    assert_eq!(
        says("git-commits", &repository.facts()),
        [
            "fail is on a branch that line 2 of the list does not name",
            "fail is a merge, which line 1 of the list does not let its key sign"
        ]
    );
}

#[test]
fn tags_are_held_against_the_list() {
    let mut repository = Repository::new();
    repository.ssh_key("ada", &["-t", "ed25519"]);
    repository.list_ssh("ada", "");
    repository.commit(Key::Ssh("ada"), "file");
    repository.signed(Key::Ssh("ada"), &["tag", "-s", "-m", "Release", "v1"]);
    assert_eq!(says("git-tags", &repository.facts()), ["pass"]);
    repository.git(&["tag", "-a", "--no-sign", "-m", "Release", "v2"]);
    repository.git(&["tag", "v3"]);
    assert_eq!(
        says("git-tags", &repository.facts()),
        ["pass", "fail is not signed", "fail is a mere name of a commit, which cannot be signed"]
    );
}

/// A line may be for its principals only: then nobody signs what is said to be of somebody else.
#[test]
fn a_line_may_ask_for_its_principals() {
    let repository = Repository::new();
    for (name, who) in [("ada", "\"*@example.org,!bo@example.org\""), ("bo", "bo@example.org")] {
        repository.ssh_key(name, &["-t", "ed25519"]);
        let key = std::fs::read_to_string(repository.path(&format!("{name}.pub"))).unwrap();
        repository.list_line(&format!("{who} by-principal {}", key.trim()));
    }
    let make = |name: &str, email: &str, what: &[&str]| {
        let email = format!("user.email={email}");
        repository.signed(Key::Ssh(name), &[&["-c", email.as_str()][..], what].concat());
    };
    let commit = ["commit", "--quiet", "--allow-empty", "-S", "-m", "A change"];
    make("ada", "a@example.org", &commit);
    make("bo", "bo@example.org", &commit);
    make("bo", "bo@example.org", &["tag", "-s", "-m", "Release", "v1"]);
    assert_eq!(says("git-commits", &repository.facts()), ["pass"]);
    make("ada", "bo@example.org", &commit);
    make("bo", "a@example.org", &commit);
    make("bo", "a@example.org", &["tag", "-s", "-m", "Release", "v2"]);
    let facts = repository.facts();
    assert_eq!(
        says("git-commits", &facts),
        [
            "fail has a committer who is no principal of line 2 of the list",
            "fail has a committer who is no principal of line 1 of the list"
        ]
    );
    assert_eq!(
        says("git-tags", &facts),
        ["pass", "fail has a tagger who is no principal of line 2 of the list"]
    );
    // People are told by their lines, also by facts that were taken elsewhere.
    let text = serde_json::to_string(&facts).unwrap();
    assert!(!text.contains("@example.org"));
    let taken: Git = serde_json::from_str(&text).unwrap();
    assert_eq!(says("git-commits", &taken), says("git-commits", &facts));
}

#[test]
fn a_list_is_read_with_a_critical_eye() {
    let mut repository = Repository::new();
    repository.ssh_key("ada", &["-t", "ed25519"]);
    repository.ssh_key("short", &["-t", "rsa", "-b", "2048"]);
    repository.list_ssh("ada", "valid-before=\"20300101\"");
    repository.commit(Key::Ssh("ada"), "file");
    assert_eq!(says("git-signers", &repository.facts()), ["pass"]);
    repository.list_ssh("ada", "");
    repository.list_ssh("short", "valid-before=\"20300101\"");
    repository.list_line("nobody");
    assert_eq!(
        says("git-signers", &repository.facts()),
        [
            "fail cannot be read: it has no key",
            "pass",
            "fail its key never ends: `valid-before` is missing",
            "fail its key is RSA of 2048 bits"
        ]
    );
}

#[test]
fn without_a_list_nobody_can_tell() {
    let mut repository = Repository::new();
    repository.commit(Key::None, "file");
    let git = Git { list: None, ..repository.facts() };
    assert_eq!(says("git-commits", &git), ["not-checked there is no list of those who may sign"]);
}
