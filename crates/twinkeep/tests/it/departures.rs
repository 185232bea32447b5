//! A feed that departs from what its sender has sent before is held, with the reasons.

use crate::harness::{Place, write};

/// Writes a folder of stays: weight and heart rate, in any unit.
fn stays(place: &Place, folder: &str, first: u32, unit: f64) {
    std::fs::create_dir(place.path(folder)).unwrap();
    let mut random = first;
    let mut draw = |below: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) % below
    };
    for person in first..first + 60 {
        let mut text = format!("Time,Parameter,Value\n00:00,RecordID,{person}\n00:00,Age,61\n");
        let (weight, rate) = (55 + draw(50), 60 + draw(50));
        for hour in 0..8 {
            let weight = f64::from(weight + draw(3)) * unit;
            text.push_str(&format!("{hour:02}:30,HR,{}\n", rate + draw(10)));
            text.push_str(&format!("{hour:02}:30,Weight,{weight:.1}\n"));
        }
        write(&place.path(&format!("{folder}/{person}.txt")), text.as_bytes());
    }
}

#[test]
fn a_feed_in_another_unit_is_held_with_a_picture_and_released_by_a_person() {
    let place = Place::with_keep();
    stays(&place, "monday", 1000, 1.0);
    stays(&place, "tuesday", 2000, 1.0);
    stays(&place, "pounds", 3000, 2.204_62);
    assert_eq!(place.run(&["ingest", "monday"]).done()["state"], "admitted");
    assert_eq!(place.run(&["ingest", "tuesday"]).done()["state"], "admitted");
    assert_eq!(place.run(&["ingest", "pounds"]).refused(), "feed-held");
    let feed = place.run(&["feed", "list"]).lines().remove(2);
    assert_eq!(feed["state"], "held");
    let reason = feed["held_because"][0].as_str().unwrap();
    assert!(reason.contains("`Weight`") && reason.contains("another unit than kg"), "{reason}");
    assert_eq!(place.run(&["twin", "show", "3000"]).refused(), "subject-unknown");
    assert_eq!(place.run(&["twin", "show", "1000"]).done()["event_count"], 17);

    let shown = place.run(&["feed", "show", "feed-3", "--svg", "feed.svg"]).done();
    assert_eq!(shown["history_feed_count"], 2);
    assert_eq!(shown["departures"][0]["measure"], "unit");
    assert_eq!(shown["departures"].as_array().unwrap().len(), 1);
    let weight = &shown["variables"][0];
    assert_eq!((&weight["code"], &weight["departs"]), (&"Weight".into(), &true.into()));
    let median = |name: &str| weight[name][2].as_f64().unwrap();
    let ratio = median("quantiles") / median("quantiles_before");
    assert!((1.9..2.5).contains(&ratio), "{ratio}");
    let picture = std::fs::read_to_string(place.path("feed.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("feed-3 is held"));
    let text = place.show(&["feed", "show", "feed-3"]).stdout;
    assert!(text.contains("held: the values of `Weight`") && text.contains('█'), "{text}");
    assert_eq!(place.run(&["feed", "show", "feed-9"]).refused(), "feed-unknown");

    let release = ["feed", "release", "feed-3", "--reason", "their scale counts in pounds"];
    place.run(&release).done();
    assert_eq!(place.run(&["twin", "show", "3000"]).done()["event_count"], 17);
    // What a person released belongs to the history: the same again is no departure.
    stays(&place, "more", 4000, 2.204_62);
    assert_eq!(place.run(&["ingest", "more"]).done()["state"], "admitted");
}
