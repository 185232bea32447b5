//! `[processing]` of `twinkeep.toml`: what the record of processing activities says (GDPR, article
//! 30) that only the people who run the keep can know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ConfigError;

/// What only people can say of the processing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessingConfig {
    /// The name and address of the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// How the controller is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The joint controller, or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joint_controller: Option<String>,
    /// The representative, or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub representative: Option<String>,
    /// The data protection officer, or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_protection_officer: Option<String>,
    /// The purposes, each with its legal basis.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub purposes: BTreeMap<String, String>,
    /// The categories of persons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub persons: Vec<String>,
    /// The categories of recipients, besides what the configuration itself names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// Transfers to other countries with their safeguards, or `none`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<String>,
    /// When which data are erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    /// Measures of security that no rule of the posture sees.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<String>,
}

impl ProcessingConfig {
    /// Returns whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that each text is one.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let said = [
            &self.controller,
            &self.contact,
            &self.joint_controller,
            &self.representative,
            &self.data_protection_officer,
            &self.retention,
        ];
        let listed = [&self.persons, &self.recipients, &self.transfers, &self.measures];
        let mut texts = said
            .into_iter()
            .flatten()
            .chain(listed.into_iter().flatten())
            .chain(self.purposes.iter().flat_map(|(purpose, basis)| [purpose, basis]));
        let is_text = |text: &String| {
            !text.trim().is_empty()
                && text.len() <= TEXT_LEN_MAX
                && !text.chars().any(|c| c.is_control() && c != '\n')
        };
        match texts.all(is_text) {
            true => Ok(()),
            false => Err(ConfigError::Value {
                key: "processing",
                expected: "texts, each of 1 to 4,000 bytes without control characters",
            }),
        }
    }
}

/// Longest text, in bytes: a page.
const TEXT_LEN_MAX: usize = 4_000;
