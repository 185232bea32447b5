//! Who asks, and where: the variables and files that other clients of AWS read too.
//!
//! Variables come first, then the profile in `~/.aws/credentials` and `~/.aws/config`. Nothing is
//! asked of a machine's metadata service.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aws_credential_types::Credentials;

use super::client::{ClientError, is_region};

/// What is asked for on the command line.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The address of a service that is not AWS.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The profile.
    pub profile: Option<String>,
}

/// Who asks, and where.
#[derive(Clone)]
pub struct Settings {
    pub(super) credentials: Credentials,
    pub(super) region: String,
    pub(super) endpoint: String,
    /// Other addresses than those of AWS, by service.
    elsewhere: BTreeMap<Address, String>,
    authorities: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Address {
    S3,
    Control,
    Sts,
}

impl Settings {
    /// Finds them. `variable` looks up a variable of the environment.
    pub fn find(
        asked: &Asked,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Settings, ClientError> {
        let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
        let home = filled("HOME").map(PathBuf::from).unwrap_or_default();
        let file = |name: &str, usual: &str| {
            filled(name).map_or_else(|| home.join(".aws").join(usual), PathBuf::from)
        };
        let secrets = read_ini(&file("AWS_SHARED_CREDENTIALS_FILE", "credentials"))?;
        let config = read_ini(&file("AWS_CONFIG_FILE", "config"))?;
        let named = asked.profile.clone().or_else(|| filled("AWS_PROFILE"));
        let profile = named.clone().unwrap_or_else(|| "default".to_owned());
        let secret = secrets.get(&profile);
        let configured = config.get(&format!("profile {profile}")).or_else(|| config.get(&profile));
        if named.is_some() && secret.is_none() && configured.is_none() {
            return Err(ClientError::Profile { name: profile.escape_default().to_string() });
        }
        let setting = |name: &str| {
            [secret, configured]
                .into_iter()
                .flatten()
                .find_map(|section| section.get(name))
                .cloned()
        };
        // A profile that is asked for by name comes before the variables, as with other clients.
        let by_variables = if asked.profile.is_some() { None } else { of_variables(&filled) };
        let credentials =
            by_variables.or_else(|| of_profile(&setting)).ok_or(ClientError::NoCredentials)?;
        let region = asked.region.clone().or_else(|| filled("AWS_REGION"));
        let region = region.or_else(|| filled("AWS_DEFAULT_REGION")).or_else(|| setting("region"));
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        if !is_region(&region) {
            return Err(ClientError::Address { address: region.escape_default().to_string() });
        }
        let general = filled("AWS_ENDPOINT_URL").or_else(|| setting("endpoint_url"));
        let one = |name: &str| {
            let own = asked.endpoint.clone().or_else(|| filled(name)).or_else(|| general.clone());
            own.map(|address| address.trim_end_matches('/').to_owned())
        };
        let elsewhere: BTreeMap<Address, String> = [
            (Address::S3, one("AWS_ENDPOINT_URL_S3")),
            (Address::Control, one("AWS_ENDPOINT_URL_S3_CONTROL")),
            (Address::Sts, one("AWS_ENDPOINT_URL_STS")),
        ]
        .into_iter()
        .filter_map(|(service, address)| Some((service, address?)))
        .collect();
        let usual = || format!("https://s3.{region}.{}", suffix(&region));
        let endpoint = elsewhere.get(&Address::S3).cloned().unwrap_or_else(usual);
        let authorities = filled("AWS_CA_BUNDLE").or_else(|| setting("ca_bundle"));
        let authorities = authorities.map(PathBuf::from);
        Ok(Settings { credentials, region, endpoint, elsewhere, authorities })
    }

    /// Returns the addresses that are not those of AWS.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &String> {
        self.elsewhere.values()
    }

    /// Returns whether a bucket is a part of the name of the host.
    pub(super) fn is_virtual(&self) -> bool {
        !self.elsewhere.contains_key(&Address::S3)
    }

    pub(super) fn s3(&self, region: &str) -> String {
        let usual = || format!("https://s3.{region}.{}", suffix(region));
        self.elsewhere.get(&Address::S3).cloned().unwrap_or_else(usual)
    }

    pub(super) fn control(&self, account: &str) -> String {
        let region = &self.region;
        let usual = || format!("https://{account}.s3-control.{region}.{}", suffix(region));
        self.elsewhere.get(&Address::Control).cloned().unwrap_or_else(usual)
    }

    pub(super) fn sts(&self) -> String {
        let usual = || format!("https://sts.{}.{}", self.region, suffix(&self.region));
        self.elsewhere.get(&Address::Sts).cloned().unwrap_or_else(usual)
    }

    /// Returns the authorities to trust instead of those of the system (PEM).
    pub(super) fn authorities(&self) -> Result<Option<Vec<u8>>, ClientError> {
        let Some(path) = &self.authorities else { return Ok(None) };
        match read_file(path)? {
            Some(pem) => Ok(Some(pem)),
            None => Err(ClientError::File { path: path.clone(), problem: "it does not exist" }),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({}, {})", self.endpoint, self.region)
    }
}

fn of_variables(variable: &dyn Fn(&str) -> Option<String>) -> Option<Credentials> {
    let id = variable("AWS_ACCESS_KEY_ID")?;
    let secret = variable("AWS_SECRET_ACCESS_KEY")?;
    Some(Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "twinkeep"))
}

fn of_profile(setting: &dyn Fn(&str) -> Option<String>) -> Option<Credentials> {
    let id = setting("aws_access_key_id")?;
    let secret = setting("aws_secret_access_key")?;
    Some(Credentials::new(id, secret, setting("aws_session_token"), None, "twinkeep"))
}

/// The domain of AWS; China has its own.
fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// Reads a file of sections; one that does not exist has none.
fn read_ini(path: &Path) -> Result<Sections, ClientError> {
    let Some(bytes) = read_file(path)? else { return Ok(Sections::new()) };
    let problem = "it is not text";
    let text = String::from_utf8(bytes)
        .map_err(|_| ClientError::File { path: path.to_path_buf(), problem })?;
    Ok(parse_ini(&text))
}

fn parse_ini(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut name: Option<String> = None;
    for line in text.lines() {
        // An indented line belongs to a nested setting, of which none is used here.
        if line.starts_with([' ', '\t', '#', ';']) || line.is_empty() {
            continue;
        }
        if let Some(header) = line.trim_end().strip_prefix('[').and_then(|s| s.strip_suffix(']')) {
            let header = header.split_whitespace().collect::<Vec<_>>().join(" ");
            sections.entry(header.clone()).or_default();
            name = Some(header);
        } else if let (Some(section), Some((key, value))) = (&name, line.split_once('='))
            && let Some(section) = sections.get_mut(section)
        {
            section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>, ClientError> {
    let wrong = |problem| ClientError::File { path: path.to_path_buf(), problem };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return Err(wrong("it cannot be opened")),
    };
    let mut bytes = Vec::new();
    file.take(FILE_SIZE_MAX + 1).read_to_end(&mut bytes).map_err(|_| wrong("it cannot be read"))?;
    if bytes.len() as u64 > FILE_SIZE_MAX {
        return Err(wrong("it is larger than 4 MiB"));
    }
    Ok(Some(bytes))
}

/// A thousand profiles have 200 KB; all authorities of a system 250 KB.
const FILE_SIZE_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests;
