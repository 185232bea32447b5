//! GDPR: Regulation (EU) 2016/679, the articles that a system can have something to say about.
//!
//! Paragraphs have no titles of their own: they have the title of their article.

use super::{Control, required};

pub(super) const CONTROLS: &[Control] = &[
    required(
        "gdpr-5(1)(a)",
        "Principles relating to processing of personal data (‘lawfulness, fairness and transparency’)",
    ),
    required(
        "gdpr-5(1)(b)",
        "Principles relating to processing of personal data (‘purpose limitation’)",
    ),
    required(
        "gdpr-5(1)(c)",
        "Principles relating to processing of personal data (‘data minimisation’)",
    ),
    required("gdpr-5(1)(d)", "Principles relating to processing of personal data (‘accuracy’)"),
    required(
        "gdpr-5(1)(e)",
        "Principles relating to processing of personal data (‘storage limitation’)",
    ),
    required(
        "gdpr-5(1)(f)",
        "Principles relating to processing of personal data (‘integrity and confidentiality’)",
    ),
    required("gdpr-5(2)", "Principles relating to processing of personal data (‘accountability’)"),
    required("gdpr-6", "Lawfulness of processing"),
    required("gdpr-7", "Conditions for consent"),
    required("gdpr-9(2)", "Processing of special categories of personal data"),
    required(
        "gdpr-12",
        "Transparent information, communication and modalities for the exercise of the rights of the data subject",
    ),
    required(
        "gdpr-13(1)",
        "Information to be provided where personal data are collected from the data subject",
    ),
    required(
        "gdpr-13(2)",
        "Information to be provided where personal data are collected from the data subject",
    ),
    required(
        "gdpr-13(2)(f)",
        "Information to be provided where personal data are collected from the data subject",
    ),
    required(
        "gdpr-13(3)",
        "Information to be provided where personal data are collected from the data subject",
    ),
    required(
        "gdpr-14",
        "Information to be provided where personal data have not been obtained from the data subject",
    ),
    required("gdpr-15(1)", "Right of access by the data subject"),
    required("gdpr-15(1)(h)", "Right of access by the data subject"),
    required("gdpr-16", "Right to rectification"),
    required("gdpr-17", "Right to erasure (‘right to be forgotten’)"),
    required("gdpr-18", "Right to restriction of processing"),
    required(
        "gdpr-19",
        "Notification obligation regarding rectification or erasure of personal data or restriction of processing",
    ),
    required("gdpr-20", "Right to data portability"),
    required("gdpr-21", "Right to object"),
    required("gdpr-22", "Automated individual decision-making, including profiling"),
    required("gdpr-25(1)", "Data protection by design and by default"),
    required("gdpr-25(2)", "Data protection by design and by default"),
    required("gdpr-28", "Processor"),
    required("gdpr-30(1)", "Records of processing activities"),
    required("gdpr-30(2)", "Records of processing activities"),
    required("gdpr-32(1)(a)", "Security of processing"),
    required("gdpr-32(1)(b)", "Security of processing"),
    required("gdpr-32(1)(c)", "Security of processing"),
    required("gdpr-32(1)(d)", "Security of processing"),
    required("gdpr-32(2)", "Security of processing"),
    required("gdpr-32(4)", "Security of processing"),
    required("gdpr-33(1)", "Notification of a personal data breach to the supervisory authority"),
    required("gdpr-33(2)", "Notification of a personal data breach to the supervisory authority"),
    required("gdpr-33(3)", "Notification of a personal data breach to the supervisory authority"),
    required("gdpr-33(4)", "Notification of a personal data breach to the supervisory authority"),
    required("gdpr-33(5)", "Notification of a personal data breach to the supervisory authority"),
    required("gdpr-34(1)", "Communication of a personal data breach to the data subject"),
    required("gdpr-34(3)(a)", "Communication of a personal data breach to the data subject"),
    required("gdpr-35(3)", "Data protection impact assessment"),
    required("gdpr-35(7)", "Data protection impact assessment"),
    required("gdpr-36", "Prior consultation"),
    required("gdpr-44", "General principle for transfers"),
    required("gdpr-45", "Transfers on the basis of an adequacy decision"),
    required("gdpr-46", "Transfers subject to appropriate safeguards"),
    required("gdpr-47", "Binding corporate rules"),
    required("gdpr-48", "Transfers or disclosures not authorised by Union law"),
    required("gdpr-49", "Derogations for specific situations"),
];
