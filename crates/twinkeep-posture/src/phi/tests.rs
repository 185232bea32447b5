//! Real files of each format, and what is found in them.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Inspection, Kind, Limits, State, Verdict, inspect, values, verdict};

mod hostile;
mod packed;
mod real;

const ALL: Limits =
    Limits { bytes_max: 64 << 20, unpacked_max: 64 << 20, rows_enough: None, latest_year: 2026 };

/// Writes a file and looks into it.
fn look(bytes: &[u8]) -> Inspection {
    look_with(bytes, ALL)
}

fn look_with(bytes: &[u8], limits: Limits) -> Inspection {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    inspect(&file, bytes.len() as u64, limits).unwrap()
}

fn kinds(inspection: &Inspection) -> Vec<(&str, Kind)> {
    let places = inspection.places.iter();
    places.map(|place| (place.field.as_str(), place.found.kind)).collect()
}

#[track_caller]
fn check(bytes: &[u8], wanted: &[(&str, Kind)], judged: Verdict) {
    let inspection = look(bytes);
    assert_eq!(kinds(&inspection), wanted, "{inspection:?}");
    assert_eq!(verdict(&inspection.places), judged, "{inspection:?}");
}

/// A table of made-up people, in this order of columns: number, given and family name, birth date,
/// social security number, telephone, e-mail, street, postal code, sex.
fn people(count: u32, header: &str, delimiter: char) -> String {
    let given = ["Maria", "James", "Aisha", "Robert", "Elena", "Xiu", "Oluwaseun", "Priya"];
    let family = ["Okafor", "Smith", "Nguyen", "Garcia", "Ivanova", "Lee", "Adeyemi", "Rao"];
    let mut text = String::from(header);
    for at in 0..count {
        let of = |list: [&'static str; 8], step: u32| list[(at * step % 8) as usize];
        let fields = [
            format!("{}", 400_000 + at * 7),
            of(given, 3).to_owned(),
            of(family, 5).to_owned(),
            format!("{}-{:02}-{:02}", 1935 + at * 13 % 80, at % 12 + 1, at % 28 + 1),
            format!("{:03}-{:02}-{:04}", at % 600 + 1, at % 98 + 1, at % 9000 + 1),
            format!("({}) 555-{:04}", 212 + at % 700, at % 10_000),
            format!("person{at}@example.org"),
            format!("{} Maple Street", at % 900 + 1),
            format!("{:05}", 10_000 + at % 80_000),
            if at % 2 == 0 { "F" } else { "M" }.to_owned(),
        ];
        let _ = writeln!(text, "{}", fields.join(&delimiter.to_string()));
    }
    text
}

const HEADER: &str = "mrn,first_name,last_name,dob,ssn,phone,email,address,zip,sex\n";

#[test]
fn a_table_of_people_is_told_column_by_column() {
    let wanted = [
        ("mrn", Kind::RecordNumber),
        ("first_name", Kind::Name),
        ("last_name", Kind::Name),
        ("dob", Kind::BirthDate),
        ("ssn", Kind::Ssn),
        ("phone", Kind::Phone),
        ("email", Kind::Email),
        ("address", Kind::Address),
        ("zip", Kind::PostalCode),
        ("sex", Kind::Sex),
    ];
    check(people(40, HEADER, ',').as_bytes(), &wanted, Verdict::Personal);
    let tabs = HEADER.replace(',', "\t");
    check(people(40, &tabs, '\t').as_bytes(), &wanted, Verdict::Personal);
}

/// A person in each column instead of in each line, with and without an index above; and a list of
/// columns, which has the same names at the left and nobody in it.
#[test]
fn a_turned_table_is_told_line_by_line() {
    let table = people(40, HEADER, ',');
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    let turned: Vec<String> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column]).collect::<Vec<_>>().join(","))
        .collect();
    let index = ",0".repeat(40);
    for text in [turned.join("\n"), format!("{index}\n{}\n\n", turned.join("\n"))] {
        let inspection = look(format!("{text}\n").as_bytes());
        let fields: Vec<&str> = kinds(&inspection).iter().map(|(field, _)| *field).collect();
        let wanted: Vec<&str> = HEADER.trim_end().split(',').collect();
        assert_eq!(fields, wanted, "{inspection:?}");
        assert_eq!(verdict(&inspection.places), Verdict::Personal);
    }
    let list = "variable,label,type,least,most,unit\nmrn,Record number,text,,,\n\
        first_name,Given name,text,1,60,letters\ndob,Date of birth,date,1900-01-01,,day\n\
        ssn,Social security number,text,,,\nphone,Telephone,text,,,\n";
    assert_eq!(verdict(&look(list.as_bytes()).places), Verdict::Nothing);
}

/// The forms of values are enough where nobody wrote a header, or a misleading one.
#[test]
fn a_table_without_a_header_is_told_by_its_values() {
    let wanted = [
        ("column 2", Kind::Name),
        ("column 4", Kind::BirthDate),
        ("column 5", Kind::Ssn),
        ("column 6", Kind::Phone),
        ("column 7", Kind::Email),
        ("column 8", Kind::Address),
    ];
    check(people(60, "", ';').as_bytes(), &wanted, Verdict::Personal);
    let misleading = "a,b,c,d,e,f,g,h,i,j\n";
    check(people(60, misleading, ',').as_bytes(), &wanted, Verdict::Personal);
}

#[test]
fn headers_are_known_in_other_languages_and_spellings() {
    let rows = "Müller;12.03.1950\nSchmidt;01.12.1961\nWeber;30.07.1944\n";
    for header in
        ["Nachname;Geburtsdatum", "apellido;fecha de nacimiento", "NOM DE FAMILLE;DateDeNaissance"]
    {
        let inspection = look(format!("{header}\n{rows}").as_bytes());
        let found: Vec<Kind> = inspection.places.iter().map(|place| place.found.kind).collect();
        assert_eq!(found, [Kind::Name, Kind::BirthDate], "{header}");
    }
}

#[test]
fn tables_of_measurements_products_and_versions_are_nothing() {
    let mut vitals = String::from("subject,time,heart_rate,sysbp,temp\n");
    let mut sales = String::from("invoice,stock_code,name,quantity,price,date\n");
    let mut versions = String::from("package,version,license,released\n");
    for at in 0..300 {
        let _ =
            writeln!(vitals, "{},{}.5,{},{},{:.1}", at / 10, at, 60 + at % 40, 110 + at % 30, 36.0);
        let _ = writeln!(
            sales,
            "{},{}A,WHITE HANGING HOLDER,{},{}.99,2011-0{}-1{}",
            536_365 + at,
            85_123 + at,
            at % 9,
            at % 20,
            at % 9 + 1,
            at % 9
        );
        let _ = writeln!(versions, "crate{at},1.{}.{},MIT,20{:02}-01-02", at % 9, at % 7, at % 20);
    }
    for text in [vitals, sales, versions] {
        let inspection = look(text.as_bytes());
        assert_eq!(verdict(&inspection.places), Verdict::Nothing, "{inspection:?}");
        assert!(inspection.places.iter().all(|it| it.found.kind.weight() != super::Weight::Direct));
    }
}

/// Birth date, postal code, and sex: no name, and yet most rows are one person each.
#[test]
fn births_beside_postal_codes_are_a_combination() {
    let text: String = people(40, HEADER, ',')
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            format!("{},{},{}\n", fields[3], fields[8], fields[9])
        })
        .collect();
    assert_eq!(verdict(&look(text.as_bytes()).places), Verdict::Combined);
    // Dates of the twenty-second century are those of de-identified data.
    let shifted = text.replace("\n19", "\n21");
    assert_eq!(verdict(&look(shifted.as_bytes()).places), Verdict::Nothing);
}

#[test]
fn records_of_json_are_told_by_their_keys() {
    let record = r#"{"resourceType":"Patient","name":[{"family":"Okafor","given":["Maria"]}],
        "birthDate":"1950-03-12","telecom":[{"system":"phone","value":"(212) 555-0123"}]}"#;
    let one = record.replace('\n', " ");
    let wanted = [Kind::BirthDate, Kind::Name, Kind::Phone];
    for text in [record.to_owned(), format!("{one}\n{one}\n"), format!("[{one},{one}]")] {
        let inspection = look(text.as_bytes());
        let mut found: Vec<Kind> = inspection.places.iter().map(|it| it.found.kind).collect();
        found.sort();
        found.dedup();
        assert!(wanted.iter().all(|kind| found.contains(kind)), "{inspection:?}");
        assert_eq!(verdict(&inspection.places), Verdict::Personal);
    }
}

#[test]
fn settings_of_programs_are_nothing() {
    let package =
        br#"{"name":"left-pad","version":"1.3.0","author":"A. Developer <dev@example.org>",
        "repository":{"type":"git","url":"https://example.org/left-pad.git"},"license":"WTFPL"}"#;
    let code = b"# Contact: dev@example.org\nfn main() {\n    let id: u64 = 1234567890;\n}\n";
    for bytes in [&package[..], code] {
        let inspection = look(bytes);
        assert_eq!(verdict(&inspection.places), Verdict::Nothing, "{inspection:?}");
    }
}

#[test]
fn notes_and_messages_are_told_by_their_labels() {
    let note = b"Patient: Okafor, Maria\nMRN: 4471123  DOB: 03/12/1950\nSeen for chest pain.\n";
    check(
        note,
        &[("text", Kind::Name), ("text", Kind::BirthDate), ("text", Kind::RecordNumber)],
        Verdict::Personal,
    );
    let message = b"MSH|^~\\&|LAB|SITE|||202601011200||ORU^R01|1|P|2.5\r\
        PID|1||4471123^^^SITE||OKAFOR^MARIA||19500312|F|||1 MAPLE ST||(212)555-0123\r\
        OBX|1|NM|HR||80\r";
    assert_eq!(verdict(&look(message).places), Verdict::Personal);
    let prose =
        b"The mean was 72.5 (95% CI 70.1-74.9) in 1234 people, p = 0.003.\nNote: see 4.2.\n";
    check(prose, &[], Verdict::Nothing);
}

#[test]
fn compressed_archived_and_other_encodings_are_looked_into() {
    let table = people(40, HEADER, ',');
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(table.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let wide: Vec<u8> =
        [0xfeff].into_iter().chain(table.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let mut tape = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(gzip.len() as u64);
    tape.append_data(&mut header, "export/people.csv.gz", &gzip[..]).unwrap();
    let tape = tape.into_inner().unwrap().finish().unwrap();
    let unmarked: Vec<u8> = table.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let wider = |order: fn(u32) -> [u8; 4]| -> Vec<u8> {
        [0xfeff].into_iter().chain(table.chars().map(u32::from)).flat_map(order).collect()
    };
    let (little, big) = (wider(u32::to_le_bytes), wider(u32::to_be_bytes));
    let zip = archive(&[("export/people.csv", table.as_bytes())]);
    for bytes in [gzip, wide, unmarked, little, big, tape, zip] {
        let inspection = look(&bytes);
        assert_eq!(verdict(&inspection.places), Verdict::Personal, "{}", inspection.format);
        assert_eq!(inspection.state, State::Readable);
    }
}

/// A ZIP archive of stored members, as `zip -0` makes it.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let at = u32::try_from(bytes.len()).unwrap();
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let name_len = u16::try_from(name.len()).unwrap().to_le_bytes();
        let common =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0; 4], &size, &size, &name_len].concat();
        bytes.extend([b"PK\x03\x04", &common[..], &[0; 2], name.as_bytes(), content].concat());
        let tail = [&[0; 2][..], &[0; 2], &[0; 2], &[0; 2], &[0; 4], &at.to_le_bytes()].concat();
        directory.extend([b"PK\x01\x02\x14\0", &common[..], &tail, name.as_bytes()].concat());
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let (length, at) = (directory.len() as u32, bytes.len() as u32);
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([&count[..], &count, &length.to_le_bytes(), &at.to_le_bytes(), &[0; 2]].concat());
    bytes
}

#[test]
fn encrypted_formats_are_told_and_false_claims_are_not_believed() {
    let noise = noise(8192);
    for magic in [
        &b"age-encryption.org/v1\n-> X25519 abc\n"[..],
        b"Salted__",
        b"twinkeep-sealed-feed/v1\n",
        b"PARE",
    ] {
        let real = [magic, &noise].concat();
        assert!(matches!(look(&real).state, State::Encrypted(_)), "{magic:?}");
        let false_claim = [magic, people(200, HEADER, ',').as_bytes()].concat();
        let inspection = look(&false_claim);
        assert!(!matches!(inspection.state, State::Encrypted(_)), "{magic:?}");
        assert_eq!(verdict(&inspection.places), Verdict::Personal, "{inspection:?}");
    }
    // Random bytes without a name are neither clean nor encrypted.
    assert!(matches!(look(&noise).state, State::NotChecked(_)));
    let mut luks = [b"LUKS\xba\xbe\0\x01", &[0; 4096][..], &noise].concat();
    luks[8..11].copy_from_slice(b"aes");
    luks[40..51].copy_from_slice(b"xts-plain64");
    assert_eq!(look(&luks).state, State::Encrypted("LUKS"));
    let vault = "$ANSIBLE_VAULT;1.1;AES256\n3130a9\n66ff\n";
    assert_eq!(look(vault.as_bytes()).state, State::Encrypted("Ansible Vault"));
    let heads = [&b"LUKS\xba\xbe\0\x01"[..], b"LUKS\xba\xbe\0\x02", b"$ANSIBLE_VAULT;1.1\n"];
    for head in heads {
        let false_claim = [head, people(200, HEADER, ',').as_bytes()].concat();
        assert_eq!(verdict(&look(&false_claim).places), Verdict::Personal, "{head:?}");
    }
}

/// What begins as a program or as ciphertext, and goes on as something else.
#[test]
fn tables_behind_the_heads_of_others_are_looked_into() {
    let table = people(200, HEADER, ',');
    let mut program = Vec::new();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    file.take(1 << 20).read_to_end(&mut program).unwrap();
    assert_eq!(look(&program).format, "program");
    let heads =
        [&b"\x7fELF"[..], b"MZ\x90", b"\0asm\x01\0\0\0", b"\xca\xfe\xba\xbe", &program[..64]];
    for head in heads {
        let inspection = look(&[head, table.as_bytes()].concat());
        assert_eq!(verdict(&inspection.places), Verdict::Personal, "{head:?}: {inspection:?}");
    }
    let age = &b"age-encryption.org/v1\n-> X25519 abc\n"[..];
    let noise = noise(200_000);
    assert_eq!(look(&[age, &noise].concat()).state, State::Encrypted("age"));
    let inspection = look(&[age, &noise, table.as_bytes()].concat());
    assert_eq!(verdict(&inspection.places), Verdict::Personal, "{inspection:?}");
    // What nobody can tell is neither clean nor encrypted.
    let zeros = look(&[age, &noise, &[0; 8192][..]].concat());
    assert!(matches!(zeros.state, State::NotChecked(_)), "{zeros:?}");
}

/// A table as some programs write it: rows without keys, or under the number of whom they are of.
#[test]
fn json_without_keys_is_looked_into() {
    let rows: Vec<[String; 3]> = (0..200)
        .map(|at| {
            let born = format!("19{:02}-{:02}-{:02}", 20 + at % 70, at % 12 + 1, at % 28 + 1);
            [at.to_string(), born, format!("212-{:02}-{:04}", at % 98 + 1, 1000 + at)]
        })
        .collect();
    let quoted = |row: &[String; 3]| format!("[\"{}\"]", row.join("\",\""));
    let joined = |between: &str| rows.iter().map(quoted).collect::<Vec<_>>().join(between);
    let flat: Vec<String> = rows.iter().map(|row| format!("\"{}\"", row[2])).collect();
    let keyed: Vec<String> = rows.iter().map(|row| format!("\"{}\":1", row[2])).collect();
    for text in [
        format!("[{}]", joined(",")),
        format!("{{\"columns\":[\"a\",\"b\"],\"data\":[{}]}}", joined(", ")),
        joined("\n"),
        format!("[{}]", flat.join(",")),
        format!("{{{}}}", keyed.join(",")),
    ] {
        let inspection = look(text.as_bytes());
        let start = &text[..40];
        assert_eq!(verdict(&inspection.places), Verdict::Personal, "{start}: {inspection:?}");
    }
}

/// `gpg --armor` writes the same lines around what it encrypts and what it only signs or packs.
#[test]
fn an_armored_message_counts_by_its_first_packet() {
    let message = |lines: &str| {
        let (begin, end) = ("-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----");
        look(format!("{begin}\nComment: a ward\n\n{lines}\n{end}\n").as_bytes()).state
    };
    for encrypted in ["hQIMA6xbJ2F5kG0BAQ/9\n=aaaa", "jA0ECQMCVLdhBzJKQAn/\nABCD"] {
        assert_eq!(message(encrypted), State::Encrypted("OpenPGP"), "{encrypted}");
    }
    // Packed, and signed once.
    for open in ["owFlmUuyLklxhCeaSKvQ\n=aaaa", "kA0DAQoWxlHqzJzYgcAB"] {
        assert!(matches!(message(open), State::NotChecked(_)), "{open}");
    }
    let table = people(200, HEADER, ',');
    let claim = format!("-----BEGIN PGP MESSAGE-----\n\n{table}");
    assert_eq!(verdict(&look(claim.as_bytes()).places), Verdict::Personal);
}

/// A header of LUKS1 whose cipher is `cipher_null`.
#[test]
fn a_volume_that_its_header_leaves_in_the_clear_is_read() {
    let mut volume = [b"LUKS\xba\xbe\0\x01", &[0; 4096][..]].concat();
    volume[8..19].copy_from_slice(b"cipher_null");
    volume[40..43].copy_from_slice(b"ecb");
    volume.extend_from_slice(people(200, HEADER, ',').as_bytes());
    let inspection = look(&volume);
    assert_eq!(verdict(&inspection.places), Verdict::Personal, "{inspection:?}");
}

/// Bytes that look random: a generator of splitmix64.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)).to_le_bytes()
    });
    words.flatten().take(length).collect()
}

#[test]
fn a_medical_image_names_its_patient() {
    let mut image = vec![0; 128];
    image.extend(b"DICM");
    image.extend([0x10, 0, 0x10, 0, b'P', b'N', 12, 0]);
    image.extend(b"OKAFOR^MARIA");
    image.extend([0x10, 0, 0x20, 0, b'L', b'O', 8, 0]);
    image.extend(b"4471123 ");
    let inspection = look(&image);
    assert_eq!(verdict(&inspection.places), Verdict::Personal, "{inspection:?}");
}

#[test]
fn enough_rows_end_the_looking() {
    let table = people(50_000, HEADER, ',');
    let limits = Limits { rows_enough: Some(100), ..ALL };
    let inspection = look_with(table.as_bytes(), limits);
    assert_eq!(verdict(&inspection.places), Verdict::Personal);
    assert!(inspection.bytes < 1 << 20, "{}", inspection.bytes);
    assert_eq!(look(table.as_bytes()).bytes, table.len() as u64);
}

/// A value that leaves the module would be a leak in every report.
#[test]
fn no_value_of_a_file_comes_out() {
    for header in [HEADER, "", "Maria Okafor,b,c,d,e,f,g,h,i,j\n"] {
        let inspection = look(people(60, header, ',').as_bytes());
        let shown = format!("{inspection:?}");
        for value in ["Maria", "Okafor", "person", "Maple", "555", "001-"] {
            assert!(!shown.contains(value), "{value} is in {shown}");
        }
    }
    let keys =
        br#"{"Maria Okafor": {"ssn": "212-12-1234"}, "James Smith": {"ssn": "213-12-1234"}}"#;
    assert!(!format!("{:?}", look(keys)).contains("Okafor"));
}

#[test]
fn numbers_are_told_by_their_check_digits() {
    assert!(values::npi(b"1234567893") && !values::npi(b"1234567894"));
    assert!(
        values::ssn(b"212-12-1234") && !values::ssn(b"666-12-1234") && !values::ssn(b"212-00-1234")
    );
    assert!(
        values::mbi(b"1EG4-TE5-MK73")
            && values::mbi(b"1EG4TE5MK73")
            && !values::mbi(b"1SG4TE5MK73")
    );
    assert!(values::vin(b"1M8GDM9AXKP042788") && !values::vin(b"1M8GDM9A1KP042788"));
    assert!(
        values::iban(b"DE89 3704 0044 0532 0130 00") && !values::iban(b"DE88370400440532013000")
    );
    assert!(values::card(b"4111 1111 1111 1111") && !values::card(b"4111111111111112"));
    assert!(values::icd10(b"E11.9") && values::icd10(b"S72001A") && !values::icd10(b"E1.9"));
    assert!(values::phone(b"+49 30 123456") && values::phone(b"(212) 555-0123"));
    assert!(!values::phone(b"2019-01-02 03") && !values::phone(b"12.345.678"));
}
