//! The tests of probing, on people and attackers that are drawn here.

use std::collections::BTreeSet;

use super::*;
use crate::detect::normal_quantile;

/// A generator of its own: nothing here may depend on chance (`SplitMix64`).
struct Draw(u64);

impl Draw {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        normal_quantile(self.uniform().clamp(1e-9, 1.0 - 1e-9))
    }

    /// Somebody: features that go together by three causes, some of them not known.
    fn person(&mut self) -> Vec<f32> {
        let causes = [self.normal(), self.normal(), self.normal()];
        let feature = |at: usize, draw: &mut Self| {
            let own = causes[at % 3] * 0.8 + draw.normal() * 0.6;
            if draw.uniform() < 0.1 { f32::NAN } else { (10.0 + own) as f32 }
        };
        (0..WIDTH).map(|at| feature(at, self)).collect()
    }
}

const WIDTH: usize = 24;

const DAY: i64 = 86_400_000_000;

fn parameters() -> ProbeParameters {
    ProbeParameters::parse(ProbeParameters::SHIPPED).unwrap()
}

fn key() -> MixKey {
    MixKey::new(*b"sixteen bytes!!!")
}

/// A history with these features: one event a feature, and one more for each hour.
fn history(population: &Population, row: &[f32], hours: i64) -> History {
    let mark = |hour: i64, at: usize, value: f32| Mark {
        time_us: hour * 3_600_000_000,
        code: at as u32,
        value: value.to_bits(),
        part: population.part(at, value),
    };
    let known = || row.iter().enumerate().filter(|(_, value)| !value.is_nan());
    let marks = (0..hours).flat_map(|hour| known().map(move |(at, &value)| mark(hour, at, value)));
    History::new(&key(), marks.collect())
}

struct World {
    population: Population,
    draw: Draw,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut draw = Draw(seed);
        let rows: Vec<Vec<f32>> = (0..1_000).map(|_| draw.person()).collect();
        Self { population: Population::of(&rows).unwrap(), draw }
    }

    fn question(&self, caller: &str, row: &[f32], hours: i64) -> Question {
        let cells = self.population.cells(row);
        let history = history(&self.population, row, hours);
        Question {
            caller: caller.to_owned(),
            groups: vec![Group::Everybody],
            at_us: 0,
            asked: Asked::History { cells, history },
        }
    }

    fn callers(&self, members: &Members) -> Callers {
        Callers::new(parameters(), u64::MAX, Some((&self.population, members)))
    }
}

/// Returns after how many questions the first alarm comes, and of what.
#[track_caller]
fn first(callers: &mut Callers, questions: impl Iterator<Item = Question>) -> (usize, Alarm) {
    for (at, question) in questions.enumerate() {
        if let Some(alarm) = callers.take(&question).into_iter().next() {
            return (at + 1, alarm);
        }
    }
    panic!("no alarm");
}

#[test]
fn the_shipped_parameters_are_read_and_others_are_refused_by_name() {
    let text = ProbeParameters::SHIPPED;
    assert!(parameters().enabled);
    let code = |text: &str| ProbeParameters::parse(text).unwrap_err().code();
    assert_eq!(code("enabled = true"), "probe-parameters");
    assert_eq!(code(&format!("{text}\nmore = 1\n")), "probe-parameters");
    for (from, to) in [
        ("repeats_high = 0.8", "repeats_high = 0.1"),
        ("members_usual = 0.2", "members_usual = 0.0"),
        ("moments_max = 200", "moments_max = 0"),
        ("questions_between_false_alarms = 1000000", "questions_between_false_alarms = nan"),
        ("tier_hours = 24", "tier_hours = -1"),
        ("access_chance = 0.05", "access_chance = 1.0"),
    ] {
        assert!(text.contains(from), "{from}");
        assert_eq!(code(&text.replace(from, to)), "probe-parameters-range", "{to}");
    }
}

#[test]
fn whoever_asks_about_people_is_left_alone() {
    let mut world = World::new(1);
    let members = Members::default();
    let mut alarms = 0;
    for client in 0..20 {
        let mut callers = world.callers(&members);
        for _ in 0..200 {
            let row = world.draw.person();
            // Twice as they are, and once when more is known.
            for hours in [3, 3, 4] {
                let question = world.question(&format!("key:{client}"), &row, hours);
                alarms += callers.take(&question).len();
            }
        }
    }
    // 12,000 questions, and one false alarm in a million.
    assert_eq!(alarms, 0);
}

#[test]
fn values_without_people_are_far_from_all_of_them() {
    let mut world = World::new(2);
    let members = Members::default();
    let mut callers = world.callers(&members);
    let random: Vec<Vec<f32>> = (0..100)
        .map(|_| (0..WIDTH).map(|_| (8.0 + 4.0 * world.draw.uniform()) as f32).collect())
        .collect();
    let (count, alarm) =
        first(&mut callers, random.iter().map(|row| world.question("key:a", row, 2)));
    assert!(count <= 30, "{count}");
    assert_eq!((alarm.probing, alarm.group), (Probing::Distance, None));
    assert_eq!(alarm.callers, BTreeSet::from(["key:a".to_owned()]));
    assert!(alarm.risen.limit <= alarm.risen.sum && !alarm.trace.is_empty());
    // Values of real people that were shuffled have their distribution, and do not go together.
    let people: Vec<Vec<f32>> = (0..300).map(|_| world.draw.person()).collect();
    let shuffled = (0..150).map(|at: usize| -> Vec<f32> {
        (0..WIDTH).map(|feature| people[(at + 7 * feature) % 300][feature]).collect()
    });
    let rows: Vec<Vec<f32>> = shuffled.collect();
    let mut callers = world.callers(&members);
    let (count, alarm) =
        first(&mut callers, rows.iter().map(|row| world.question("key:b", row, 2)));
    assert!(count <= 150, "{count}");
    assert_eq!(alarm.probing, Probing::Distance);
}

#[test]
fn small_steps_are_repeats_and_of_members_they_are_worse() {
    let mut world = World::new(3);
    let person = world.draw.person();
    let steps: Vec<Vec<f32>> = (0..40)
        .map(|step| person.iter().map(|value| value + 0.003 * step as f32).collect())
        .collect();
    let mut callers = world.callers(&Members::default());
    let (count, alarm) =
        first(&mut callers, steps.iter().map(|row| world.question("key:a", row, 3)));
    assert!(count <= 15, "{count}");
    assert_eq!(alarm.probing, Probing::Repeats);
    let others: Vec<History> =
        (0..50).map(|_| history(&world.population, &world.draw.person(), 6)).collect();
    let own = history(&world.population, &person, 6);
    let members =
        Members::new([others.iter().collect::<Vec<_>>(), vec![&own]].concat().into_iter());
    let mut callers = world.callers(&members);
    let (count, alarm) =
        first(&mut callers, steps.iter().map(|row| world.question("key:a", row, 3)));
    assert!(count <= 20, "{count}");
    assert_eq!(alarm.probing, Probing::Members);
}

#[test]
fn ten_who_divide_a_run_are_seen_together() {
    let mut world = World::new(4);
    let members = Members::default();
    let mut callers = world.callers(&members);
    let random: Vec<Vec<f32>> = (0..200)
        .map(|_| (0..WIDTH).map(|_| (8.0 + 4.0 * world.draw.uniform()) as f32).collect())
        .collect();
    let asked = random.iter().enumerate();
    let asked = asked.map(|(at, row)| world.question(&format!("key:{}", at % 10), row, 2));
    let (count, alarm) = first(&mut callers, asked);
    assert!(count <= 60, "{count}");
    assert_eq!(alarm.group, Some(Group::Everybody));
    // Whoever asked until then; the others are named when they go on.
    assert_eq!(alarm.callers.len(), count.min(10), "{:?}", alarm.callers);
}

#[test]
fn whoever_asks_about_people_is_not_blamed_for_others_who_probe() {
    let mut world = World::new(9);
    let members = Members::default();
    let mut callers = world.callers(&members);
    let mut named = BTreeSet::new();
    for at in 0..200 {
        let row: Vec<f32> = match at % 4 {
            0 => world.draw.person(),
            _ => (0..WIDTH).map(|_| (8.0 + 4.0 * world.draw.uniform()) as f32).collect(),
        };
        let caller = if at % 4 == 0 { "key:ward" } else { "key:copier" };
        let alarms = callers.take(&world.question(caller, &row, 2));
        named.extend(alarms.into_iter().flat_map(|alarm| alarm.callers));
    }
    assert_eq!(named, BTreeSet::from(["key:copier".to_owned()]));
}

#[test]
fn moments_of_one_twin_and_inputs_of_one_day_are_bounded() {
    let mut world = World::new(5);
    let members = Members::default();
    let mut callers = Callers::new(parameters(), 50, Some((&world.population, &members)));
    let moment = |person: u64, moment: u64| Question {
        caller: "key:a".to_owned(),
        groups: Vec::new(),
        at_us: 0,
        asked: Asked::Moment { person, moment },
    };
    for round in 0..3 {
        for at in 0..200 {
            assert!(callers.take(&moment(1, at)).is_empty(), "{round} {at}");
        }
    }
    let alarms = callers.take(&moment(1, 200));
    assert_eq!(alarms.first().map(|alarm| alarm.probing), Some(Probing::Moments));
    let rows: Vec<Vec<f32>> = (0..60).map(|_| world.draw.person()).collect();
    let asked: Vec<Question> = rows.iter().map(|row| world.question("key:a", row, 2)).collect();
    let (count, alarm) = first(&mut callers, asked.iter().cloned());
    assert_eq!((count, alarm.probing), (51, Probing::Volume));
    // Once a day, and anew on the next.
    let rest = asked.iter().skip(51).flat_map(|question| callers.take(question)).count();
    assert_eq!(rest, 0);
    let tomorrow = rows.iter().rev().map(|row| {
        let row: Vec<f32> = row.iter().map(|value| value + 0.7).collect();
        Question { at_us: DAY, ..world.question("key:b", &row, 2) }
    });
    let tomorrow: Vec<Question> = tomorrow.collect();
    let count = tomorrow.iter().position(|question| {
        callers.take(question).iter().any(|alarm| alarm.probing == Probing::Volume)
    });
    assert_eq!(count, Some(50));
}

#[test]
fn whoever_is_forgotten_makes_room_and_memory_is_bounded() {
    let world = World::new(6);
    let members = Members::default();
    let mut callers = world.callers(&members);
    let row: Vec<f32> = vec![10.0; WIDTH];
    for caller in 0..5_000 {
        callers.take(&world.question(&format!("key:{caller}"), &row, 1));
    }
    assert!((3_600..=4_100).contains(&callers.len()), "{}", callers.len());
}

#[test]
fn a_population_tells_nothing_of_few_people_and_is_checked_when_it_is_read() {
    let mut draw = Draw(7);
    let rows: Vec<Vec<f32>> = (0..39).map(|_| draw.person()).collect();
    assert!(Population::of(&rows).is_none());
    assert!(Population::of(&[]).is_none());
    let mut rows: Vec<Vec<f32>> = (0..100).map(|_| draw.person()).collect();
    // A feature that ten people have says nothing of how it goes with others.
    for (at, row) in rows.iter_mut().enumerate() {
        row[0] = if at < 10 { row[1] } else { f32::NAN };
    }
    let population = Population::of(&rows).unwrap();
    let text = toml::to_string(&population).unwrap();
    let read: Population = toml::from_str(&text).unwrap();
    assert!(read == population && read.is_sound(WIDTH) && !read.is_sound(WIDTH + 1));
    assert!(text.contains("[0, 0") || text.contains("0,"), "{text}");
    let broken = text.replace("alike_limit = ", "alike_limit = nan # ");
    assert!(!toml::from_str::<Population>(&broken).unwrap().is_sound(WIDTH));
}

#[test]
fn a_longer_history_continues_a_shorter_one_whatever_the_order_within_a_moment() {
    let population = World::new(8).population;
    let row: Vec<f32> = (0..WIDTH).map(|at| at as f32).collect();
    let (short, long) = (history(&population, &row, 2), history(&population, &row, 3));
    assert!(long.continues(short.len() as u32, short.sum()));
    assert!(!short.continues(long.len() as u32, long.sum()));
    let mut changed = row.clone();
    changed[3] += 0.001;
    let other = history(&population, &changed, 3);
    assert!(!other.continues(short.len() as u32, short.sum()));
    let mut turned: Vec<Mark> =
        (0..6).map(|at| Mark { time_us: at / 3, code: at as u32, value: 1, part: None }).collect();
    let one = History::new(&key(), turned.clone());
    turned.swap(0, 2);
    assert_eq!(one.sum(), History::new(&key(), turned).sum());
}

#[test]
fn who_sends_only_the_last_day_is_left_alone() {
    let mut world = World::new(12);
    let mut callers = world.callers(&Members::default());
    for _ in 0..20 {
        let row = world.draw.person();
        for hour in 24..48 {
            let mut question = world.question("key:ward", &row, hour);
            let cells = world.population.cells(&row);
            let marks = (hour - 24..hour).flat_map(|at| {
                row.iter().zip(0..).map(move |(value, code)| Mark {
                    time_us: at * 3_600_000_000,
                    code,
                    value: (value + at as f32).to_bits(),
                    part: None,
                })
            });
            let history = History::new(&key(), marks.collect());
            question.asked = Asked::History { cells, history };
            assert_eq!(callers.take(&question), []);
        }
    }
}

#[test]
fn digests_are_those_of_siphash() {
    // The first vector of the reference implementation with 8 and 16 bytes of input.
    let key = MixKey::new([7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8]);
    assert_eq!(key.digest(&[0x0706_0504_0302_0100]), 0x93f5_f579_9a93_2462);
    assert_eq!(key.digest(&[]), 0x726f_db47_dd0e_0e31);
}

fn done(at_us: i64, action: &str) -> AccessFact {
    let kind = AccessKind::Done(action.to_owned());
    AccessFact { at_us, actor: "key:a".to_owned(), kind }
}

#[test]
fn habits_are_learned_and_what_breaks_them_is_told_once() {
    let mut watch = AccessWatch::new(parameters());
    let hour = 3_600_000_000;
    for day in 0..40 {
        for (at, count) in [(9, 20), (10, 10), (14, 15)] {
            for second in 0..count {
                let fact = done(day * DAY + at * hour + second * 1_000_000, "twin.read");
                assert!(watch.take(&fact).is_empty(), "{day} {at}");
            }
        }
    }
    let at = 40 * DAY + 9 * hour;
    let found = watch.take(&done(at, "subject.exported"));
    assert!(matches!(found.as_slice(), [AccessAlarm::NewKind { days: 40, .. }]), "{found:?}");
    assert!(watch.take(&done(at, "subject.exported")).is_empty());
    // An hour later than ever is nothing; the middle of the night is.
    assert!(watch.take(&done(40 * DAY + 15 * hour, "twin.read")).is_empty());
    let found = watch.take(&done(41 * DAY + 2 * hour, "twin.read"));
    assert!(matches!(found.as_slice(), [AccessAlarm::NewHour { hour: 2, .. }]), "{found:?}");
    let found: Vec<AccessAlarm> =
        (0..200).flat_map(|at| watch.take(&done(42 * DAY + 9 * hour + at, "twin.read"))).collect();
    let most =
        |alarm: &AccessAlarm| matches!(alarm, AccessAlarm::Volume { count: 60, most: 20, .. });
    assert!(found.len() == 1 && found.iter().all(most), "{found:?}");
}

#[test]
fn whoever_does_something_new_each_day_has_no_habits() {
    let mut watch = AccessWatch::new(parameters());
    for day in 0..100 {
        let fact = done(day * DAY + day % 24 * 3_600_000_000, &format!("action.{day}"));
        assert!(watch.take(&fact).is_empty(), "{day}");
    }
}

#[test]
fn a_storm_of_refused_credentials_is_one_alarm() {
    let mut watch = AccessWatch::new(parameters());
    let fact = |at_us, kind| AccessFact { at_us, actor: "anonymous".to_owned(), kind };
    // Three in an hour, for days.
    for at in 0..200 {
        assert!(watch.take(&fact(at * 1_200_000_000, AccessKind::Refused(1))).is_empty());
    }
    let begin = 10 * DAY;
    let storm = (0..1_000).map(|at| fact(begin + at * 10_000, AccessKind::Refused(1)));
    let found: Vec<AccessAlarm> = storm.flat_map(|fact| watch.take(&fact)).collect();
    let expected = AccessAlarm::Refusals { count: 30, limit: 30, minutes: 10, since_us: begin };
    assert_eq!(found, [expected]);
}

/// What a ward does day by day: ten people, twenty things each in the morning.
fn a_ward_for(days: i64) -> AccessWatch {
    let mut watch = AccessWatch::new(parameters());
    for day in 0..days {
        for at in 0..200 {
            let actor = format!("key:{}", at % 10);
            let kind = AccessKind::Done("twin.read".to_owned());
            let at_us = day * DAY + 8 * 3_600_000_000 + at * 10_000_000;
            let found = watch.take(&AccessFact { at_us, actor, kind });
            assert!(found.is_empty(), "{day} {found:?}");
        }
    }
    watch
}

fn by(actor: &str, at_us: i64, action: &str) -> AccessFact {
    let kind = AccessKind::Done(action.to_owned());
    AccessFact { at_us, actor: actor.to_owned(), kind }
}

#[test]
fn a_reader_whom_nobody_knows_is_told_where_nobody_new_comes() {
    let morning = |day: i64| day * DAY + 9 * 3_600_000_000;
    let mut watch = a_ward_for(60);
    let found = watch.take(&by("key:stranger", morning(60), "twin.read"));
    assert!(matches!(found.as_slice(), [AccessAlarm::NewActor { .. }]), "{found:?}");
    assert!(watch.take(&by("key:stranger", morning(60), "twin.read")).is_empty());
    // Where people come every other day, one more is nothing.
    let mut watch = a_ward_for(30);
    for day in (30..90).step_by(2) {
        watch.take(&by(&format!("key:new-{day}"), morning(day), "twin.read"));
    }
    assert!(watch.take(&by("key:one-more", morning(91), "twin.read")).is_empty());
}

#[test]
fn whoever_is_new_may_do_as_much_as_anybody_and_no_more() {
    let mut watch = a_ward_for(60);
    let begin = 60 * DAY + 9 * 3_600_000_000;
    let reads = (0..200).map(|at| by("key:stranger", begin + at, "twin.read"));
    let found: Vec<AccessAlarm> = reads.flat_map(|fact| watch.take(&fact)).collect();
    let volume = |it: &&AccessAlarm| matches!(it, AccessAlarm::Volume { count: 60, most: 20, .. });
    assert_eq!(found.iter().filter(volume).count(), 1, "{found:?}");
}

#[test]
fn a_function_that_comes_into_use_is_told_of_the_first_three() {
    let mut watch = a_ward_for(60);
    let begin = 60 * DAY + 8 * 3_600_000_000;
    let uses = (0..10).map(|at| by(&format!("key:{at}"), begin + at, "twin.explained"));
    let found: Vec<AccessAlarm> = uses.flat_map(|fact| watch.take(&fact)).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    // A month later it is another function that comes into use.
    let later = by("key:3", begin + 40 * DAY, "subject.exported");
    assert!(matches!(watch.take(&later).as_slice(), [AccessAlarm::NewKind { .. }]));
}

#[test]
fn whoever_guesses_slowly_is_seen_within_the_hour() {
    let mut watch = a_ward_for(60);
    let begin = 60 * DAY + 9 * 3_600_000_000;
    // One a minute never makes thirty in ten.
    let slow = (0..60).map(|at| AccessFact {
        at_us: begin + at * 60_000_000,
        actor: "anonymous".to_owned(),
        kind: AccessKind::Refused(1),
    });
    let found: Vec<AccessAlarm> = slow.flat_map(|fact| watch.take(&fact)).collect();
    let expected = AccessAlarm::Refusals { count: 30, limit: 30, minutes: 60, since_us: begin };
    assert_eq!(found, [expected]);
}
