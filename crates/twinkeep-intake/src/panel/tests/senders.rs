//! One sender beside others: alike, another population, and one that lies about what comes later.

use super::*;

fn stats(events: &Events) -> SenderStats {
    let mut stats = SenderStats::new(&REFERENCE);
    PANEL.screen(events, &mut stats);
    stats
}

fn changed(mut events: Events, change: impl Fn(&mut Event, f64)) -> Events {
    for event in &mut events.rows {
        let hours = event.time.map_or(-1.0, |time| time.hours_since(Timestamp::RELATIVE_ORIGIN));
        change(event, hours);
    }
    events
}

#[test]
fn honest_senders_are_alike() {
    let others = stats(&people(10_000..10_800));
    for at in 0..5 {
        let from = 20_000 + at * 1000;
        let judgement = PANEL.judge(&stats(&people(from..from + 200)), &others);
        assert_eq!(judgement.verdict, Verdict::Alike, "{:?}", judgement.findings);
    }
}

#[test]
fn another_population_departs_and_is_not_condemned() {
    let older = changed(people(30_000..30_200), |event, _| {
        if event.code == 0 {
            event.value = event.value.map(|age| age + 15.0);
        }
    });
    let judgement = PANEL.judge(&stats(&older), &stats(&people(10_000..10_800)));
    assert_eq!(judgement.verdict, Verdict::Departs, "{:?}", judgement.findings);
    assert_eq!(judgement.findings[0].variable.as_deref(), Some("Age"));
    assert_eq!(judgement.findings[0].measure, "level");
}

#[test]
fn a_sender_who_mirrors_what_comes_later_contradicts_and_does_harm() {
    let mirrored = changed(people(30_000..30_200), |event, hours| match event.code {
        1 if 24.0 <= hours => event.value = event.value.map(|rate| 170.0 - rate),
        2 if 24.0 <= hours => event.value = event.value.map(|pressure| 184.0 - pressure),
        _ => (),
    });
    // Row by row each agrees with its neighbors.
    let mut own = SenderStats::new(&REFERENCE);
    let held = PANEL.screen(&mirrored, &mut own);
    assert!(held.len() * 100 < mirrored.rows.len());
    let judgement = PANEL.judge(&own, &stats(&people(10_000..10_800)));
    assert_eq!(judgement.verdict, Verdict::Contradicts);
    assert!(0.02 < judgement.influence, "{}", judgement.influence);
    assert!(judgement.findings.iter().any(|finding| finding.measure == "surprise"));
}

#[test]
fn two_feeds_add_up_to_what_one_would_be() {
    let (mut first, second) = (stats(&people(0..150)), stats(&people(150..300)));
    assert!(first.merge(&second));
    let whole = stats(&people(0..300));
    assert_eq!(first.row_count(), whole.row_count());
    assert_eq!(first.suspect_count(), whole.suspect_count());
    let judgement = PANEL.judge(&first, &whole);
    assert_eq!(judgement.verdict, Verdict::Alike);
    let bytes = postcard::to_allocvec(&first).unwrap();
    assert_eq!(postcard::from_bytes::<SenderStats>(&bytes).unwrap(), first);
}

#[test]
fn few_people_and_other_references_are_not_judged() {
    let others = stats(&people(10_000..10_800));
    let few = PANEL.judge(&stats(&people(0..99)), &others);
    assert_eq!(few.verdict, Verdict::TooFew);
    let reference = learn(&people(0..300)).unwrap();
    let mut foreign = SenderStats::new(&reference);
    Panel::new(reference, PanelParameters::default()).screen(&people(400..600), &mut foreign);
    assert_eq!(PANEL.judge(&foreign, &others).verdict, Verdict::TooFew);
    assert!(!foreign.merge(&others));
}
