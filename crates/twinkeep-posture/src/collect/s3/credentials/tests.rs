//! Tests of which of several settings counts.

use std::path::Path;

use super::{Asked, ClientError, Settings, parse_ini};

fn write(path: &Path, text: &str) {
    use std::io::Write as _;
    std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Finds settings in a home folder with two profiles, with these variables.
fn find(asked: &Asked, variables: &[(&str, &str)]) -> Result<Settings, ClientError> {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    write(
        &home.path().join(".aws/credentials"),
        "# both\n[default]\naws_access_key_id = ID0\naws_secret_access_key=secret0\n\n\
         [ward]\naws_access_key_id=ID1\naws_secret_access_key=secret1\naws_session_token = t=1\n",
    );
    write(
        &home.path().join(".aws/config"),
        "[default]\nregion=eu-west-1\ns3 =\n  region = wrong\n[profile ward]\nregion = eu-north-1\n\
         endpoint_url = https://store.example\n[profile empty]\noutput = json\n",
    );
    let at = home.path().display().to_string();
    let lookup = |name: &str| {
        let given = variables.iter().find(|(known, _)| *known == name);
        given.map(|(_, value)| (*value).to_owned()).or_else(|| (name == "HOME").then(|| at.clone()))
    };
    Settings::find(asked, &lookup)
}

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "IDV"), ("AWS_SECRET_ACCESS_KEY", "secretv")];

#[test]
fn variables_come_before_files_and_a_named_profile_before_both() {
    let nothing = Asked::default();
    let plain = find(&nothing, &[]).unwrap();
    assert_eq!(plain.credentials.access_key_id(), "ID0");
    assert_eq!(plain.endpoint, "https://s3.eu-west-1.amazonaws.com");
    assert!(plain.is_virtual());
    assert_eq!(find(&nothing, &KEYS).unwrap().credentials.access_key_id(), "IDV");
    let ward = Asked { profile: Some("ward".into()), ..Asked::default() };
    let found = find(&ward, &KEYS).unwrap();
    assert_eq!(found.credentials.access_key_id(), "ID1");
    assert_eq!(found.credentials.session_token(), Some("t=1"));
    assert_eq!(
        (found.region.as_str(), found.endpoint.as_str()),
        ("eu-north-1", "https://store.example")
    );
    assert!(!found.is_virtual());
    let by_variable = find(&nothing, &[("AWS_PROFILE", "ward")]).unwrap();
    assert_eq!(by_variable.credentials.access_key_id(), "ID1");
}

#[test]
fn each_service_may_have_an_address_of_its_own() {
    let variables = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2/"),
        ("AWS_REGION", "eu-central-1"),
    ];
    let found = find(&Asked::default(), &variables).unwrap();
    assert_eq!(found.s3("x"), "http://127.0.0.1:2");
    assert_eq!(found.control("123456789012"), "http://127.0.0.1:1");
    assert_eq!(found.sts(), "http://127.0.0.1:1");
    let asked = Asked { endpoint: Some("https://minio.example".into()), ..Asked::default() };
    assert_eq!(find(&asked, &variables).unwrap().sts(), "https://minio.example");
    let china = [("AWS_REGION", "cn-north-1")];
    let found = find(&Asked::default(), &china).unwrap();
    assert_eq!(found.control("1"), "https://1.s3-control.cn-north-1.amazonaws.com.cn");
}

#[test]
fn what_is_missing_is_said() {
    let code = |asked: &Asked, variables: &[(&str, &str)]| {
        find(asked, variables).map(|_| "found").unwrap_or_else(|error| error.code())
    };
    let named = |name: &str| Asked { profile: Some(name.into()), ..Asked::default() };
    assert_eq!(code(&named("nobody"), &[]), "s3-profile");
    assert_eq!(code(&named("empty"), &[]), "s3-no-credentials");
    assert_eq!(code(&Asked::default(), &[("AWS_REGION", "eu/../west")]), "s3-address");
    let none = [("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")];
    assert_eq!(code(&Asked::default(), &none), "s3-no-credentials");
}

#[test]
fn secrets_are_in_no_message() {
    let text = format!("{:?}", find(&Asked::default(), &KEYS).unwrap());
    assert!(!text.contains("secretv") && !text.contains("IDV"), "{text}");
}

#[test]
fn odd_files_of_settings_do_no_harm() {
    assert!(parse_ini("key=value\n[[\n[]\n=\n\u{0}").len() <= 2);
    assert_eq!(parse_ini("[profile   a]\nk=v=w")["profile a"]["k"], "v=w");
}
