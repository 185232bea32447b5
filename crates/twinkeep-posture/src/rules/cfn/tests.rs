//! Each rule on templates that fail and templates that pass.

use std::fs::{self, File};
use std::io::Write as _;

use crate::collect::cfn::collect;
use crate::facts::Facts;
use crate::outcome::Outcome;
use crate::rules::find;

/// What a rule says about a template: outcome, resource without its file, place.
#[track_caller]
fn judge(rule: &str, text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.yaml");
    File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    let facts = collect(&[path]).unwrap();
    assert_eq!(facts.unread, [], "the fixture is a template");
    let rule = find(rule).unwrap();
    let judged = rule.check.judge(&Facts::from(facts)).unwrap();
    let line = |outcome: &Outcome| match outcome {
        Outcome::Fail { at, what } => {
            format!("{}:{} {what}", at.line.unwrap(), at.column.unwrap())
        }
        other => other.says().to_owned(),
    };
    judged
        .iter()
        .map(|judged| {
            let resource = judged.resource.split(" in ").next().unwrap();
            format!("{} {resource} {}", judged.outcome.word(), line(&judged.outcome))
        })
        .collect()
}

#[track_caller]
fn fails(rule: &str, text: &str, wanted: &str) {
    let said = judge(rule, text);
    assert!(
        said.iter().any(|line| line.starts_with("fail ") && line.contains(wanted)),
        "{said:#?} says `{wanted}`"
    );
}

#[track_caller]
fn unknown(rule: &str, text: &str) {
    let said = judge(rule, text);
    assert!(said.iter().any(|line| line.starts_with("not-checked ")), "{said:#?}");
    assert!(!said.iter().any(|line| line.starts_with("fail ")), "{said:#?}");
}

#[track_caller]
fn passes(rule: &str, text: &str) {
    let said = judge(rule, text);
    assert!(!said.is_empty(), "the rule has something to judge");
    assert!(said.iter().all(|line| line.starts_with("pass ")), "{said:#?}");
}

/// A template with two groups, of the gateway and of a service, and ingress of the service.
fn groups(ingress: &str) -> String {
    format!(
        "Parameters:\n  Nowhere: {{Type: String}}\n\
         Resources:\n  Front:\n    Type: AWS::EC2::SecurityGroup\n    Properties:\n      \
         SecurityGroupIngress:\n        - {{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 0.0.0.0/0}}\n  \
         Link:\n    Type: AWS::ApiGatewayV2::VpcLink\n    Properties:\n      SecurityGroupIds: [!Ref Front]\n  \
         Service:\n    Type: AWS::EC2::SecurityGroup\n    Properties:\n      SecurityGroupIngress:\n        \
         - {ingress}\n"
    )
}

const FROM_GATEWAY: &str =
    "{IpProtocol: tcp, FromPort: 443, ToPort: 443, SourceSecurityGroupId: !GetAtt Front.GroupId}";

#[test]
fn ingress_from_the_gateway_alone_passes_all_rules() {
    for rule in ["cfn-ingress-world", "cfn-ingress-gateway", "cfn-ingress-ports"] {
        passes(rule, &groups(FROM_GATEWAY));
    }
}

#[test]
fn ingress_from_everybody_fails_in_all_spellings() {
    let rule = "cfn-ingress-world";
    for range in
        ["CidrIp: 0.0.0.0/0", "CidrIp: 128.0.0.0/1", "CidrIpv6: '::/0'", "CidrIpv6: 2000::/3"]
    {
        let port = format!("{{IpProtocol: tcp, FromPort: '8888', ToPort: '8888', {range}}}");
        fails(rule, &groups(&port), "tcp 8888");
    }
    fails(rule, &groups("{IpProtocol: -1, CidrIp: !If [c, 10.0.0.0/8, 0.0.0.0/0]}"), "all ports");
    unknown(rule, &groups("{IpProtocol: tcp, FromPort: 1, ToPort: 1, SourcePrefixListId: pl-1}"));
    unknown(rule, &groups("{IpProtocol: tcp, FromPort: 1, ToPort: 1, CidrIp: !Ref Nowhere}"));
    passes(rule, &groups("{IpProtocol: tcp, FromPort: 1, ToPort: 1, CidrIp: 10.0.0.0/8}"));
}

#[test]
fn standalone_ingress_counts_for_its_group() {
    let alone = "  More:\n    Type: AWS::EC2::SecurityGroupIngress\n    Properties:\n      \
                 GroupId: !GetAtt Service.GroupId\n      IpProtocol: '-1'\n      CidrIpv6: '::/0'\n";
    let text = format!("{}{alone}", groups(FROM_GATEWAY));
    fails("cfn-ingress-world", &text, "Service 18:3 `::/0` may connect to all ports");
    fails(
        "cfn-ingress-gateway",
        &text,
        "Service 18:3 all ports of all protocols is open to `::/0`",
    );
    fails("cfn-ingress-ports", &text, "opens all ports of all protocols");
}

#[test]
fn https_from_anybody_but_the_gateway_fails() {
    let rule = "cfn-ingress-gateway";
    let from =
        |source: &str, ports: &str| groups(&format!("{{IpProtocol: tcp, {ports}, {source}}}"));
    let https = "FromPort: 443, ToPort: 443";
    fails(rule, &from("CidrIp: 10.0.0.0/16", https), "`10.0.0.0/16`, which is not the API gateway");
    fails(rule, &from("CidrIp: 10.0.0.0/16", "FromPort: 1, ToPort: 1024"), "tcp 1 to 1024");
    fails(rule, &from("SourceSecurityGroupId: !Ref Service", https), "group `Service`");
    passes(rule, &from("CidrIp: 10.0.0.0/16", "FromPort: 5432, ToPort: 5432"));
    unknown(rule, &from("SourceSecurityGroupId: !ImportValue other", https));
    let none = "Resources:\n  A:\n    Type: AWS::EC2::SecurityGroup\n    Properties:\n      SecurityGroupIngress:\n        - {IpProtocol: tcp, FromPort: 443, ToPort: 443, SourceSecurityGroupId: !Ref A}\n";
    fails(rule, none, "no group is that of an API gateway");
}

#[test]
fn services_are_told_to_ask_for_certificates_and_tokens() {
    for (rule, name) in [("cfn-mtls", "REQUIRE_MTLS"), ("cfn-jwt", "VALIDATE_JWT")] {
        let task = |environment: &str| {
            format!(
                "Parameters:\n  On: {{Type: String, Default: 'true'}}\n  Any: {{Type: String, AllowedValues: [true, false]}}\n  Free: {{Type: String}}\n\
                 Resources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      ContainerDefinitions:\n        - Name: twin\n          {environment}\n"
            )
        };
        let said = |value: &str| task(&format!("Environment: [{{Name: {name}, Value: {value}}}]"));
        for value in ["true", "'true'", "\"TRUE\"", "1", "!Ref On", "!Sub '${On}'"] {
            passes(rule, &said(value));
        }
        for value in ["false", "'false'", "0", "''", "maybe", "!Ref Any", "!If [c, true, false]"] {
            fails(rule, &said(value), "is not on");
        }
        unknown(rule, &said("!Ref Free"));
        fails(rule, &task("Image: x"), "T 10:11 is not told");
        fails(
            rule,
            &task("Environment: [{Name: OTHER, Value: true}]"),
            &format!("is not told `{name}`"),
        );
        unknown(rule, &task(&format!("Secrets: [{{Name: {name}, ValueFrom: arn}}]")));

        let function = |variables: &str| {
            format!(
                "Resources:\n  F:\n    Type: AWS::Lambda::Function\n    Properties: {{Environment: {{Variables: {{{variables}}}}}}}\n"
            )
        };
        passes(rule, &function(&format!("{name}: true")));
        fails(rule, &function("A: b"), "is not told");
        fails(
            rule,
            "{\"Resources\": {\"F\": {\"Type\": \"AWS::Lambda::Function\", \"Properties\": {}}}}",
            "is not told",
        );
        unknown(rule, "Resources: {C: {Type: 'AWS::EKS::Cluster'}}");
    }
}

/// A template with one resource.
fn one(kind: &str, properties: &str) -> String {
    format!(
        "Parameters:\n  Free: {{Type: String}}\nResources:\n  R:\n    Type: {kind}\n    Properties: {{{properties}}}\n"
    )
}

#[test]
fn public_buckets_fail() {
    let bucket = |properties: &str| one("AWS::S3::Bucket", properties);
    fails(
        "cfn-bucket-acl",
        &bucket("AccessControl: PublicRead"),
        "R 6:33 `AccessControl` is `PublicRead`",
    );
    fails(
        "cfn-bucket-acl",
        &bucket("AccessControl: !If [c, Private, AuthenticatedRead]"),
        "AuthenticatedRead",
    );
    passes("cfn-bucket-acl", &bucket("AccessControl: Private"));
    let ways = |last: &str| {
        bucket(&format!(
            "PublicAccessBlockConfiguration: {{BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, {last}}}"
        ))
    };
    passes("cfn-bucket-block", &ways("RestrictPublicBuckets: 'true'"));
    fails(
        "cfn-bucket-block",
        &ways("RestrictPublicBuckets: false"),
        "RestrictPublicBuckets` is not true",
    );
    fails("cfn-bucket-block", &ways("Other: 1"), "RestrictPublicBuckets` is not set");
    fails("cfn-bucket-block", &bucket(""), "is not set");
    unknown("cfn-bucket-block", &ways("RestrictPublicBuckets: !Ref Free"));

    let policy = |statement: &str| {
        one("AWS::S3::BucketPolicy", &format!("PolicyDocument: {{Statement: [{{{statement}}}]}}"))
    };
    let rule = "cfn-bucket-policy";
    fails(rule, &policy("Effect: Allow, Principal: '*', Action: '*'"), "allows everybody");
    fails(rule, &policy("Effect: Allow, Principal: {AWS: ['*']}, Action: '*'"), "allows everybody");
    fails(rule, &policy("Effect: Allow, NotPrincipal: {AWS: a}, Action: '*'"), "NotPrincipal");
    passes(rule, &policy("Effect: Deny, Principal: '*', Action: '*'"));
    passes(
        rule,
        &policy("Effect: Allow, Principal: {AWS: !Sub 'arn:aws:iam::1:root'}, Action: '*'"),
    );
    let on = |condition: &str| {
        policy(&format!("Effect: Allow, Principal: '*', Condition: {{{condition}}}, Action: '*'"))
    };
    // Anybody can send a referrer, and leave TLS out; two of three networks are everybody's.
    for open in [
        "Bool: {'aws:SecureTransport': false}",
        "StringLike: {'aws:Referer': ['http://www.example.com/*']}",
        "StringNotEquals: {'aws:SourceVpc': vpc-1}",
        "IpAddress: {'aws:SourceIp': [10.0.0.0/8, 0.0.0.0/0]}",
        "StringEquals: {'aws:Referer': !Ref Free}",
    ] {
        fails(rule, &on(open), "allows everybody");
    }
    for fixed in [
        "StringEquals: {'aws:SourceVpc': vpc-1}",
        "StringEquals: {'aws:SourceVpce': !Ref R}",
        "StringEquals: {'aws:PrincipalOrgID': o-1}, StringLike: {'aws:Referer': '*'}",
        "IpAddress: {'aws:SourceIp': 10.1.0.0/16}",
    ] {
        passes(rule, &on(fixed));
    }
    unknown(rule, &on("StringEquals: {'aws:SourceVpc': !Ref Free}"));
    unknown(rule, &policy("Effect: Allow, Principal: {AWS: !Ref Free}, Action: '*'"));
}

/// Rule, type, properties that pass, properties that fail.
const STORES: &[(&str, &str, &str, &str)] = &[
    (
        "cfn-queue-encryption",
        "AWS::Kinesis::Stream",
        "StreamEncryption: {EncryptionType: KMS, KeyId: alias/aws/kinesis}",
        "StreamEncryption: {EncryptionType: NONE, KeyId: alias/aws/kinesis}",
    ),
    ("cfn-volume-encryption", "AWS::EC2::Volume", "Encrypted: true", "Size: 1"),
    (
        "cfn-volume-encryption",
        "AWS::EC2::Instance",
        "BlockDeviceMappings: [{Ebs: {Encrypted: true}}]",
        "BlockDeviceMappings: [{Ebs: {VolumeSize: 1}}]",
    ),
    (
        "cfn-volume-encryption",
        "AWS::EC2::LaunchTemplate",
        "LaunchTemplateData: {BlockDeviceMappings: [{Ebs: {Encrypted: 'true'}}]}",
        "LaunchTemplateData: {BlockDeviceMappings: [{Ebs: {Encrypted: true}}, {Ebs: {Encrypted: false}}]}",
    ),
    (
        "cfn-database-encryption",
        "AWS::RDS::DBInstance",
        "StorageEncrypted: true",
        "Engine: postgres",
    ),
    (
        "cfn-database-encryption",
        "AWS::RDS::DBCluster",
        "StorageEncrypted: true",
        "StorageEncrypted: !If [c, true, false]",
    ),
    (
        "cfn-database-encryption",
        "AWS::Redshift::Cluster",
        "Encrypted: true",
        "StorageEncrypted: true",
    ),
    (
        "cfn-database-encryption",
        "AWS::OpenSearchService::Domain",
        "EncryptionAtRestOptions: {Enabled: true}",
        "DomainName: a",
    ),
    (
        "cfn-database-encryption",
        "AWS::DAX::Cluster",
        "SSESpecification: {SSEEnabled: true}",
        "ClusterName: a",
    ),
    (
        "cfn-database-public",
        "AWS::RDS::DBInstance",
        "PubliclyAccessible: false",
        "PubliclyAccessible: true",
    ),
    ("cfn-file-system-encryption", "AWS::EFS::FileSystem", "Encrypted: true", "Encrypted: false"),
    (
        "cfn-table-encryption",
        "AWS::DynamoDB::Table",
        "SSESpecification: {SSEEnabled: true}",
        "TableName: a",
    ),
    ("cfn-queue-encryption", "AWS::SNS::Topic", "KmsMasterKeyId: a", "TopicName: a"),
    ("cfn-queue-encryption", "AWS::SQS::Queue", "QueueName: a", "SqsManagedSseEnabled: false"),
    (
        "cfn-queue-encryption",
        "AWS::ElastiCache::ReplicationGroup",
        "AtRestEncryptionEnabled: true, TransitEncryptionEnabled: true",
        "AtRestEncryptionEnabled: true",
    ),
    (
        "cfn-training-encryption",
        "AWS::SageMaker::NotebookInstance",
        "KmsKeyId: !Ref Free",
        "InstanceType: a",
    ),
    (
        "cfn-training-encryption",
        "AWS::SageMaker::EndpointConfig",
        "KmsKeyId: a",
        "KmsKeyId: !Ref AWS::NoValue",
    ),
    (
        "cfn-notebook-internet",
        "AWS::SageMaker::NotebookInstance",
        "DirectInternetAccess: Disabled, RootAccess: Disabled",
        "DirectInternetAccess: Disabled",
    ),
    (
        "cfn-bucket-encryption",
        "AWS::S3::Bucket",
        "BucketEncryption: {ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: 'aws:kms'}}]}",
        "BucketName: a",
    ),
];

#[test]
fn stores_have_to_be_encrypted() {
    for (rule, kind, good, bad) in STORES {
        passes(rule, &one(kind, good));
        fails(rule, &one(kind, bad), "R ");
    }
    let by_kms = "{ServerSideEncryptionByDefault: {SSEAlgorithm: 'aws:kms'}}";
    for list in ["[]".to_owned(), format!("[!If [c, {by_kms}, !Ref 'AWS::NoValue']]")] {
        let said = format!("BucketEncryption: {{ServerSideEncryptionConfiguration: {list}}}");
        fails("cfn-bucket-encryption", &one("AWS::S3::Bucket", &said), "R ");
    }
}

/// What nothing means differs: no address for Redshift, one for replication, and for RDS what the
/// subnets say.
#[test]
fn a_database_that_says_nothing_of_its_address_is_judged_as_its_service_does() {
    let rule = "cfn-database-public";
    passes(rule, &one("AWS::Redshift::Cluster", "ClusterType: single-node"));
    fails(rule, &one("AWS::DMS::ReplicationInstance", "AllocatedStorage: 5"), "R ");
    for more in ["Engine: postgres", "Engine: postgres, DBSubnetGroupName: a"] {
        unknown(rule, &one("AWS::RDS::DBInstance", more));
    }
}

#[test]
fn an_instance_of_a_cluster_is_encrypted_as_its_cluster_is() {
    let said =
        judge("cfn-database-encryption", &one("AWS::RDS::DBInstance", "DBClusterIdentifier: a"));
    assert_eq!(said, ["not-applicable R its cluster says whether it is encrypted"]);
}

#[test]
fn macros_and_nested_stacks_are_not_checked() {
    passes("cfn-template", &one("AWS::S3::Bucket", ""));
    unknown("cfn-template", &one("AWS::CloudFormation::Stack", "TemplateURL: a"));
    unknown("cfn-template", "Transform: Own\nResources: {A: {Type: B}}\n");
    unknown("cfn-template", "Resources:\n  Fn::ForEach::A: [B, [C], {}]\n");
    let included = "Fn::Transform: {Name: 'AWS::Include'}";
    unknown("cfn-template", &one("AWS::S3::Bucket", &format!("BucketName: b, {included}")));
    unknown("cfn-template", &format!("Resources:\n  A: {{{included}}}\n"));
    let ingress = "SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: \
                   !GetAtt P.Value}]";
    unknown("cfn-ingress-world", &one("AWS::EC2::SecurityGroup", ingress));
}

#[test]
fn a_folder_is_searched_and_what_is_broken_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    };
    put("a.yaml", &one("AWS::S3::Bucket", ""));
    put("deep/b.json", "{\"Resources\": {\"A\": {\"Type\": \"AWS::S3::Bucket\"}}}");
    put("values.yaml", "replicas: 1\n");
    put("broken.yml", "Resources:\n  A: {Type: 'AWS::S3::Bucket'\n");
    put("notes.txt", "Resources AWS::");
    let facts = collect(&[folder.path().to_owned()]).unwrap();
    assert_eq!(facts.templates.len(), 2);
    assert_eq!(facts.unread.len(), 1);
    assert!(facts.unread[0].at.path.ends_with("broken.yml") && facts.unread[0].at.line.is_some());
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<crate::facts::cfn::Cfn>(&text).unwrap(), facts);
    let rule = find("cfn-template").unwrap();
    let judged = rule.check.judge(&Facts::from(facts)).unwrap();
    assert_eq!(judged[0].outcome.word(), "not-checked");
}

#[test]
fn facts_of_a_template_have_no_secrets_and_the_rest_of_it() {
    let text = "Parameters: {P: {Type: String, Default: s3cr3t-value-1}, \
                H: {Type: String, NoEcho: true, Default: s3cr3t-value-6}}\n\
                Resources:\n  D:\n    Type: AWS::RDS::DBInstance\n    Properties:\n      \
                MasterUserPassword: !Ref P\n      MasterUsername: ada\n  \
                F:\n    Type: AWS::Lambda::Function\n    Properties:\n      Environment: {Variables: \
                {API_KEY: s3cr3t-value-2, DATABASE: \"postgres://ada:s3cr3t-value-3@db/ward\", REQUIRE_MTLS: true}}\n  \
                T:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      ContainerDefinitions: \
                [{Name: twin, Environment: [{Name: TOKEN, Value: s3cr3t-value-4}]}]\n  \
                I:\n    Type: AWS::EC2::Instance\n    Properties:\n      KeyName: !Ref H\n      UserData: \"export TOKEN=s3cr3t-value-5; login ada s3cr3t-value-7\"\n    \
                Metadata: {AWS::CloudFormation::Init: {config: {commands: {a: {command: login s3cr3t-value-8}}}}}\n  \
                L:\n    Type: AWS::EC2::LaunchTemplate\n    Properties:\n      LaunchTemplateData: {ImageId: ami-1, \
                UserData: {Fn::Base64: {Fn::Sub: [\"login ${N} s3cr3t-value-9\", {N: ada}]}}}\n  \
                Z:\n    Type: AWS::Lambda::Function\n    Properties:\n      Code: {ZipFile: login('s3cr3t-value-10')}\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.yaml");
    File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    let facts = collect(&[path]).unwrap();
    assert_eq!(facts.unread, []);
    let written = serde_json::to_string(&facts).unwrap();
    assert!(!written.contains("s3cr3t") && !format!("{facts:?}").contains("s3cr3t"), "{written}");
    for left_out in ["UserData", "ZipFile", "login"] {
        assert!(!written.contains(left_out), "{left_out}: {written}");
    }
    for kept in ["ada", "postgres://[redacted]@db/ward", "REQUIRE_MTLS", "ImageId"] {
        assert!(written.contains(kept), "{kept}: {written}");
    }
}
