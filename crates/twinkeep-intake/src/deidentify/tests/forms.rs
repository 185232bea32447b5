//! What each form of an identifier becomes, and what must not be taken for one.

use jiff::civil::Date;

use super::{Cleaner, clean, subject};

/// Compares a note with what is left of it.
#[track_caller]
fn check(note: &str, expected: &str) {
    let cleaner = Cleaner::new();
    assert_eq!(clean(&mut cleaner.deidentifier(), note, &[]), expected);
}

#[test]
fn each_kind_has_its_place_holder() {
    check(
        "Dr. Okonkwo, SSN 123-45-6789, MRN: 00123456, call 555-867-5309 x12, fax (555) 867-5310.",
        "Dr. [name], SSN [ssn], MRN: [record-number], call [phone], fax [fax].",
    );
    check(
        "Mail jane.d@x.example or https://x.example/p?id=7, host 10.0.0.17 and fe80::1ff:fe23:4567.",
        "Mail [email] or [url], host [ip] and [ip].",
    );
    check(
        "Medicare 1EG4-TE5-MK73; account no. 44871235; license D123-4567-8901; VIN 1HGCM82633A123456.",
        "Medicare [health-plan]; account no. [account]; license [license]; VIN [vehicle].",
    );
    check(
        "Serial number PM-448712, case S21-48211, fingerprint ID FP-1234567, see wound_12.jpg.",
        "Serial number [device], case [other], fingerprint ID [biometric], see [photo].",
    );
    check("Tel +49 89 1234 5678, pager 44127.", "Tel [phone], pager [phone].");
    check("Key 3f2504e0-4f89-11d3-9a0c-0305e82c3301.", "Key [other].");
}

#[test]
fn a_state_and_three_digits_of_a_populous_postal_code_stay() {
    check("Lives in Texas.", "Lives in Texas.");
    check("12 Oak Hollow Road, Houston, TX 77002-1234", "[place], [place], TX 770**");
    check("ZIP code 03601", "ZIP code 000**");
    check("Born in Mexico, raised in Ashford.", "Born in Mexico, raised in [place].");
}

#[test]
fn ages_over_89_are_one_age() {
    check("A 92-year-old woman", "A 90-year-old woman");
    check("aged 101, 95 y/o, 97F with a cough", "aged 90, 90 y/o, 90F with a cough");
    check("a ninety-three year old man", "a 90 year old man");
    check("An 89-year-old, aged 9", "An 89-year-old, aged 9");
}

#[test]
fn dates_keep_their_distance_and_their_form() {
    let cleaner = Cleaner::new();
    let days = i64::from(cleaner.shift.days(subject()));
    let shifted = |year, month, day| {
        let date = Date::new(year, month, day).unwrap();
        date.checked_add(jiff::ToSpan::days(days)).unwrap()
    };
    let date = shifted(2019, 3, 4);
    let (y, m, d) = (date.year(), date.month(), date.day());
    let iso = format!("{y}-{m:02}-{d:02}");
    for (typed, expected) in [
        ("2019-03-04", iso.clone()),
        ("2019-03-04T10:00:00Z", format!("{iso}T10:00:00Z")),
        ("3/4/2019", format!("{m}/{d}/{y}")),
        ("03-04-19", format!("{m}-{d}-{}", y % 100)),
        ("4.3.2019", format!("{d}.{m}.{y}")),
    ] {
        check(&format!("Seen {typed}."), &format!("Seen {expected}."));
    }
    let name = |note: &str| clean(&mut cleaner.deidentifier(), note, &[]);
    for typed in
        ["March 4, 2019", "Mar 4th 2019", "4 March 2019", "4-Mar-2019", "4th of March 2019"]
    {
        let found = name(&format!("Seen {typed}."));
        assert!(found.ends_with(&format!(" {d}, {y}.")), "{typed}: {found}");
    }
    assert_eq!(name("in 2010"), format!("in {}", shifted(2010, 7, 1).year()));
    assert_eq!(name("due 5/6, and March 7"), "due [date], and [date]");
    // A date that tells an age over 89 lies at the end of what may be told.
    assert_eq!(name("Born 1/2/1901"), name("Born 12/31/1936"));
}

#[test]
fn findings_are_no_identifiers() {
    for note in [
        "BP 120/80, HR 72, RR 16, T 98.6 F, SpO2 97 %, pain 4/10, strength 5/5, 2/6 murmur.",
        "Na 140, K 4.2, WBC 11,200, platelets 250000, pH 7.35, CD4 350, titer 1:128, INR 1.1.",
        "Parkinson's disease, Foley catheter, Glasgow Coma Scale 15, Hodgkin lymphoma, Apgar 8 and 9.",
        "L4-L5 stenosis, C5-6 disc, T2N1M0, G2P1, 3.2 x 1.8 cm, 0.9 % NaCl 1000 mL over 8 h.",
        "Metformin 1000 mg twice daily, insulin glargine 22 units, 12:30:45, 24/7, q8h, 40-50 %.",
        "Patient denies chest pain. He has no known allergies. She may return in 2 weeks.",
        "T 99F, insulin pump 125, monitor 24 hours, plan: 1000 mg, order 1000mg, visit 12, lot 4 mL.",
        "SNOMED//185349003",
        "ordered",
    ] {
        check(note, note);
    }
}

#[test]
fn a_long_note_of_anything_is_read_in_time() {
    let cleaner = Cleaner::new();
    let mut deidentifier = cleaner.deidentifier();
    for part in ["Aa ", "1-", "a.", "A, ", "12/", "http://", "@", "Dr. ", "name: ", "9", "é ", ":"]
    {
        let note = part.repeat((1 << 18) / part.len());
        let _ = clean(&mut deidentifier, &note, &["Aa"]);
    }
}
