//! What the system can do: one file a use case, called by the command line and the gate alike.
//!
//! A use case takes a request, does the work through the crates below, writes the audit entry,
//! and returns a report. It reads no clock and no environment: both come with [`App`].
//!
//! # Invariants
//!
//! - Nothing is changed, and nothing about a person is read, without an entry in the ledger: the
//!   use case appends it before it answers, and refuses to answer if it cannot.
//! - A report holds what its caller may see, and nothing else; it is what `--json` prints.
//! - No use case prints, prompts, or knows a flag.

mod access_token;
mod account_subject;
mod act_on_host;
mod alert_config;
mod alerts;
mod anchor;
mod announced_feed;
mod answer;
mod answer_tiers;
mod api_keys;
mod app;
mod approve_model;
mod ask_what_if;
mod attack_model;
mod attestations;
mod audit_event;
mod audit_rules;
mod budget;
mod budget_config;
mod caller;
mod canaries;
mod canary_shift;
mod canonical_json;
mod certificates;
mod check_models;
mod client_ca_config;
mod client_ca_files;
mod client_certificates;
mod compact_store;
mod compare_models;
mod compare_twin;
mod concerns;
mod config;
mod consent;
mod contain_incident;
mod contained;
mod convert;
mod copy_folder;
mod crypto_inventory;
mod decide_feed;
mod drift;
mod drill_incident;
mod drop_folder;
mod edit_policy;
mod envelope;
mod erase_subject;
mod error;
mod escrow_key;
mod evaluate_model;
mod evidence;
mod explain_twin;
mod export_meds;
mod export_model;
mod export_subject;
mod feed_history;
mod feed_influence;
mod feeder;
mod feeds;
mod fhir_answer;
mod file_modes;
mod fold_live;
mod follow_changes;
mod given_splits;
mod handed_feed;
mod host_config;
mod identities;
mod import_model;
mod incident_report;
mod incidents;
mod incoming;
mod ingest_database;
mod ingest_feed;
mod init_keep;
mod issuer_config;
mod issuers;
mod keep;
mod kek_source;
mod key_file;
mod layout;
mod ledger_key;
mod lineage;
mod locking;
mod manifests;
mod mappings;
mod mark_answers;
mod mark_questions;
mod model_card;
mod models;
mod moment;
mod nats_server;
mod obligation;
mod once;
mod open_feed;
mod outbox;
mod panel_config;
mod parameter_file;
mod permit;
mod playbooks;
mod poisoning_config;
mod policy;
mod posture_database;
mod posture_evidence;
mod posture_facts;
mod posture_models;
mod posture_snapshot;
mod predict;
mod privacy_cost;
mod probe_config;
mod processing_config;
mod prove_entry;
mod publish_feed;
mod put_in_service;
mod read_tiles;
mod reason;
mod receipt;
mod receipt_page;
mod receive_feed;
mod receive_folder;
mod receive_nats;
mod recognize_client;
mod record_events;
mod record_processing;
mod recorded_scans;
mod refresh_issuers;
mod refused_message;
mod release_checks;
mod renew_server;
mod replay_feed;
mod reproduce_model;
mod restore_keep;
mod revoke_token;
mod rotate_data;
mod rotate_kek;
mod scan_alert;
mod score_senders;
mod screen_reference;
mod seal_feed;
mod seal_quarantine;
mod search_audit;
mod search_ledger;
mod send_feed;
mod send_outbox;
mod senders;
mod serve_stream;
mod served;
mod serving;
mod show_card;
mod show_feed;
mod sign_model;
mod simulate_twin;
mod sites;
mod snapshot_keep;
mod source_attributes;
mod source_marks;
mod store_feed;
mod synthesize;
mod test_mark;
mod tidy_catalog;
mod time_text;
mod token_scopes;
mod train_model;
mod training_folder;
mod twin_history;
mod twins;
mod upstream_config;
mod use_upstream;
mod verify_ledger;
mod verify_receipt;
mod watch_access;
mod watch_config;
mod watch_files;
mod watch_queries;
mod watch_retention;
mod watermark;
mod witness;

pub use account_subject::{
    About, AccountedEntry, Accounting, AccountingReport, account_subject, write_accounting,
};
pub use act_on_host::{HostOrder, HostPipes, act_on_host_by, help_on_host};
pub use alert_config::{AlertConfig, AlertKind, MailTls};
pub use alerts::{
    Alert, AlertLine, AlertStage, AlertState, AlertsToTry, Queued, dead_alerts, deliver_alerts,
    list_alerts, queue_alert, retry_alerts, test_alerts,
};
pub use announced_feed::{Announcement, ingest_announced_feed};
pub use answer::{
    CompetingAnswer, ForecastAnswer, LastAnswer, PointAnswer, ProbabilityAnswer, TargetAnswer,
};
pub use answer_tiers::{ProbeAlarm, Tier, TierLine, TierReport, clear_tier, list_tiers, show_tier};
pub use api_keys::{
    ApiKeyReport, NewApiKeyRequest, list_api_keys, new_api_key, new_api_key_once, revoke_api_key,
    rotate_api_key,
};
pub use app::{App, Surroundings};
pub use approve_model::{
    ApprovalReport, ApprovalRequest, ApproverLine, ApproverList, Purpose, add_approver, approve,
    list_approvers, remove_approver, request_approval, require_approvals,
};
pub use ask_what_if::{
    ChangeAnswer, MiddleAnswer, PointDifference, TargetDifference, WhatIfAnswer, WhatIfRequest,
    WindowDifference, ask_what_if,
};
pub use attack_model::{
    Attack, AttackReport, AttackRequest, OverLimit, PoisoningReport, PoisoningTrial, attack_model,
    show_attacks,
};
pub use audit_rules::{
    AUDIT_KEY, AuditRuleForm, AuditRulesReport, audit_rules_text, check_audit_rules,
    load_audit_rules, unload_audit_rules, write_audit_rules,
};
pub use budget::{BudgetLine, list_budgets, reset_budgets};
pub use budget_config::{BudgetConfig, BudgetUnit, Exhausted, Period};
pub use caller::{Caller, CallerAddress, Scope, is_purpose};
pub use canary_shift::CanaryShift;
pub use certificates::{
    CertificateReport, IssuedCertificate, NewCertificateRequest, issue_certificate,
    list_certificates, renew_certificate, revocation_list, revocation_list_text,
    revoke_certificate,
};
pub use check_models::{ModelsCheck, check_models};
pub use client_ca_config::{ClientCaConfig, ClientCertificateMode, ClientGrant};
pub use client_ca_files::{ClientCaWatch, read_client_cas};
pub use compact_store::{CompactReport, StatusReport, compact_store, store_status};
pub use compare_models::{CompareModelsRequest, ModelComparison, compare_models};
pub use compare_twin::{
    CompareAnswer, CompareRequest, OutcomeAnswer, SIMILAR_COUNT_DEFAULT, compare_twin,
};
pub use config::{
    Config, ConfigError, ConsentConfig, Deidentify, GateConfig, IntakeConfig, Isolation,
    KeepConfig, ModelSettings, NatsConfig, Settings, SourceConfig, TrainSettings,
};
pub use consent::{ConsentDecision, ConsentReport, LegalBasis, record_consent, show_consent};
pub use contain_incident::{
    ContainmentPlan, PlannedLine, RollBackRequest, plan_containment, request_rollback,
    resume_incident, resume_incidents, resume_on_host, roll_back_incident,
};
pub use crypto_inventory::{
    AlgorithmLine, CertificateLine, CryptoInventory, KeyLine, take_crypto_inventory,
};
pub use decide_feed::{DecisionReport, reject_feed, release_feed};
pub use drift::{DriftLine, DriftReport, DriftRequest, check_drift};
pub use drill_incident::{DrillRequest, drill_incident, plan_drill};
pub use drop_folder::serve_drop_folder;
pub use edit_policy::{
    POLICY_LEN_MAX, PolicyDecision, PolicyQuestion, PolicyReport, apply_policy, check_policy,
    shipped_policy, show_policy, test_policy,
};
pub use erase_subject::{EraseReport, EraseRequest, ErasureProof, erase_subject, verify_erasure};
pub use error::{AppError, Class};
pub use escrow_key::{RecoveryReport, RecoveryShares, recover_keep, split_kek};
pub use evaluate_model::{
    EvaluateOn, EvaluateReport, EvaluateRequest, EvaluateSource, ScreenedSource, evaluate_model,
};
pub use evidence::{Evidence, EvidenceReport, FileEvidence, KeptEvidence, show_evidence};
pub use explain_twin::{
    BackTestAnswer, DRIVERS_DEFAULT, DriverAnswer, ExplainAnswer, ExplainRequest, explain_twin,
};
pub use export_meds::{MedsReport, MedsRequest, export_meds};
pub use export_model::{ExportModelReport, export_model};
pub use export_subject::{SubjectDocument, SubjectExport, export_subject, read_subject};
pub use feed_influence::{
    InfluenceBy, InfluenceReport, InfluenceRequest, SkippedSource, SourceInfluence,
    TargetInfluence, feed_influence,
};
pub use feeder::FeederState;
pub use feeds::{FeedLine, QuarantineLine, QuarantineReport, list_feeds, show_quarantine};
pub use fhir_answer::{fhir_bundle, number as json_number};
pub use fold_live::{FoldReport, fold_live_when_due};
pub use follow_changes::{
    ChangeData, ChangeMessage, ChangedEvent, FollowRequest, Follower, Pulse, follow_changes, pulse,
};
pub use host_config::{HostConfig, ServiceConfig};
pub use identities::{IdentityReport, new_identity, show_identity};
pub use import_model::{
    ImportFile, ImportModelRequest, ImportReport, import_model, usual_signature,
};
pub use incident_report::{BreachField, BreachReport, breach_page, plain_lines, report_incident};
pub use incidents::{
    ClockLine, IncidentReport, NoteLine, StepLine, acknowledge_incident, close_incident,
    list_incidents, note_incident, report_detection, show_incident,
};
pub use incoming::FeedAddress;
pub use ingest_database::{
    DatabaseReport, IngestDatabaseRequest, ingest_database, names_database, password_from_file,
};
pub use ingest_feed::{IngestReport, IngestRequest, ingest_feed};
pub use init_keep::{InitReport, InitRequest, init_keep};
pub use issuer_config::IssuerConfig;
pub use keep::{Descriptor, Keep};
pub use kek_source::{KekQuestion, kek_source};
pub use layout::Layout;
pub use lineage::{Lineage, LineageAnswer, LineageFeed, LineageModel};
pub use manifests::{ManifestReport, SignManifestRequest, sign_manifest, verify_manifest};
pub use mappings::{
    FileCheck, MappingCheck, MappingLine, MappingText, list_mappings, load_mapping, show_mapping,
    try_mapping,
};
pub use mark_questions::{MarkQuestion, MarkQuestionsRequest, mark_questions};
pub use models::{ModelLine, ModelReport, VerifyReport, list_models, show_model, verify_model};
pub use moment::Moment;
pub use nats_server::NatsServer;
pub use obligation::Obligations;
pub use open_feed::{OpenReport, OpenRequest, open_feed};
pub use permit::{GlassLine, list_broken_glass};
pub use playbooks::{
    PlaybookLine, PlaybookList, check_playbook, export_playbook, import_playbook, list_playbooks,
    show_playbook,
};
pub use policy::PolicyAction;
pub use posture_database::{RepairedServer, postgres_facts};
pub use posture_facts::{
    FixAction, PostureRequest, closed_keep_facts, keep_facts, record_fix, record_scan,
};
pub use posture_models::model_facts;
pub use predict::{HistoryEvent, PredictRequest, predict};
pub use privacy_cost::PrivacyCost;
pub use probe_config::{ProbeLimits, probe_limits};
pub use processing_config::ProcessingConfig;
pub use prove_entry::{
    ConsistencyReport, EntryProof, LedgerState, check_entry_proof, compare_states, ledger_vkey,
    prove_entry, write_proof,
};
pub use publish_feed::{PublishRequest, PublishedFeed, publish_feeds};
pub use put_in_service::{
    ModelQuarantine, ReleaseRequest, ServiceReport, back_up_model, promote_model, quarantine_model,
    release_model, restore_model, roll_back_model,
};
pub use read_tiles::{is_bundle, read_checkpoint_note, read_entry_bundle, read_hash_tile};
pub use receipt::Receipt;
pub use receipt_page::receipt_page;
pub use receive_feed::{
    DeliveryError, DeliveryReport, DeliveryState, Upload, UploadStart, cancel_upload, open_upload,
    show_delivery, store_delivery, waiting_deliveries,
};
pub use receive_folder::{FolderLine, FolderNews, FolderRequest, keep_receiving, receive_folder};
pub use receive_nats::{MessageLine, NatsFeedsRequest, NatsNews, receive_nats};
pub use recognize_client::{CertificateCheck, check_certificate};
pub use record_events::{
    LIVE_EVENT_COUNT_MAX, LiveEvent, RecordReport, RecordRequest, RefusedEvent, record_events,
    show_refused_events,
};
pub use record_processing::record_processing;
pub use recorded_scans::{MissingReport, RecordedScans, recorded_scans};
pub use refresh_issuers::{IssuerLine, IssuerWatch, list_issuers, refresh_issuer, refresh_issuers};
pub use release_checks::ReleaseCheck;
pub use renew_server::{GateCertificate, gate_certificate, renew_server_certificate};
pub use replay_feed::{ReplayReport, ReplayRequest, replay_feed};
pub use reproduce_model::{ReproduceReport, reproduce_model};
pub use restore_keep::{RestoreReport, RestoreRequest, restore_keep, restore_keyring};
pub use revoke_token::{
    RevocationLine, RevokedToken, TokenReport, allow_token, check_token, list_revoked_tokens,
    revoke_token,
};
pub use rotate_data::{RotateDataReport, rotate_data};
pub use rotate_kek::{RotateKekReport, rotate_kek};
pub use scan_alert::{ScanAlert, alert_of_scan};
pub use score_senders::{ScoreFinding, SenderScore, score_senders};
pub use seal_feed::{SealReport, SealRequest, seal_feed};
pub use search_audit::{AuditSearch, AuditSearchReport, FoundAccess, search_audit};
pub use search_ledger::{
    ExportFormat, LedgerExport, LedgerQuery, SearchWith, export_ledger, search_ledger,
    subject_reference,
};
pub use send_feed::{SendRequest, SentFeed, send_feeds};
pub use senders::{SenderReport, add_sender, list_senders, revoke_sender, set_sender_dates};
pub use serve_stream::serve_stream;
pub use serving::{
    ServerIdentity, record_certified, record_closed, record_opened, server_identity,
};
pub use show_card::{Card, CardRequest, show_card};
pub use show_feed::{DepartureLine, FeedPicture, VariableLine, show_feed};
pub use sign_model::{
    ModelTrust, SignModelRequest, SignedModel, VerifyModelRequest, read_certificates,
    sign_model_folder, verify_model_folder,
};
pub use simulate_twin::{
    ConditionAnswer, PATH_COUNT_DEFAULT, PATH_COUNT_MAX, PathAnswer, SimulateAnswer,
    SimulateRequest, SpreadAnswer, TargetPathsAnswer, WindowPathsAnswer, simulate_twin,
};
pub use snapshot_keep::{KeyringReport, SnapshotReport, back_up_keyring, snapshot_keep};
pub use synthesize::{SynthReport, SynthRequest, synthesize};
pub use test_mark::{MARK_CHANCE, MarkLine, MarkReport, MarkTestRequest, test_mark};
pub use tidy_catalog::{TidyReport, tidy_catalog};
pub use time_text::{parse_rfc3339, rfc3339};
pub use train_model::{TrainReport, TrainRequest, TrainStep, train_model};
pub use twin_history::{EVENTS_DEFAULT, HistoryLine, HistoryRequest, TwinHistory, show_history};
pub use twinkeep_connect::{ClientCertificate, NatsLogin};
pub use twinkeep_domain::Split;
pub use twinkeep_forecast::attack::{AttackFigures, Rate};
pub use twinkeep_forecast::{Evaluation, NoisePlan, TrajectoryEvaluation, WindowEvaluation};
pub use twinkeep_intake::pack_file::{
    shipped_names as shipped_pack_names, shipped_text as shipped_pack_text,
};
pub use twinkeep_intake::synth::Season;
pub use twinkeep_intake::{Dates, Mapping};
pub use twinkeep_ledger::{Activity, Class as EventClass, Entry, Severity};
pub use twinkeep_twin::chart::{Letters, readable_unit};
pub use twinkeep_watch::detect::Verdict;
pub use twinkeep_watch::incident::{About as NoteAbout, Playbook};
pub use twinkeep_watch::poisoning::{
    CandidateFinding, CandidateVerdict, Influence, InfluenceVerdict, Spread,
};
pub use twinkeep_watch::{
    Detection, Detector, Severity as DetectionSeverity, Target as DetectionTarget,
};
pub use twins::{
    TerminalSize, TwinChart, TwinDrawing, TwinForecastRequest, TwinLine, TwinList, TwinReport,
    TwinVariable, draw_twin, forecast_twin, list_twins, show_twin,
};
pub use upstream_config::{UpstreamConfig, UpstreamProtocol};
pub use use_upstream::{
    RelayedRequest, RelayedStream, UpstreamLine, UpstreamState, forget_upstream_login,
    forget_upstreams, list_upstreams, note_upstream, record_relayed, record_relayed_end,
    set_upstream_login,
};
pub use verify_ledger::{
    LedgerLine, LedgerReport, VerifyLedgerRequest, show_ledger, verify_ledger,
};
pub use verify_receipt::{
    ReceiptReport, VerifiedReceipt, VerifyReceiptRequest, verify_receipt, write_receipt,
};
pub use watch_access::AccessReader;
pub use watch_config::{FileWatch, WatchConfig};
pub use watch_files::{
    FileNews, FileSighting, FileWatchMode, record_file_news, record_watch_ended, see_files,
};
pub use watch_queries::{QueryWatch, end_query_watch};
pub use watch_retention::{Lasting, RetentionReport, RetentionRequest, watch_retention};
pub use witness::{
    Cosigned, WatchedLedger, cosign_checkpoint, watch_ledger, watched_ledgers, witness_vkey,
};

/// How far long work has come; a total of 0 is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub done: u64,
    /// What there is to do.
    pub total: u64,
}
