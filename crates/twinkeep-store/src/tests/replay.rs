//! Refused rows that are released are marked, once and for good.

use super::{add, add_feed, new_feed, root, sample};
use crate::{FeedId, NewFeed, Replayed, Store};

#[test]
fn a_row_is_released_once_and_stays_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &root()).unwrap();
    add(&store, &sample(1, 3, 3)).unwrap();
    let release = |seed: u8, rows: &[std::ops::Range<u64>]| {
        let replayed = Some(Replayed { feed: FeedId(1), rows, because: "asked the ward" });
        let sample = sample(seed, 1, 1);
        add_feed(&store, &sample, &NewFeed { replayed, ..new_feed(&sample) })
    };
    let second = std::slice::from_ref(&(1..2));
    assert_eq!(release(2, second).unwrap(), FeedId(2));
    let rows = store.quarantined(FeedId(1), 0, 10).unwrap();
    assert_eq!(rows.iter().map(|row| row.released).collect::<Vec<_>>(), [None, Some(FeedId(2))]);
    assert_eq!(release(3, second).unwrap_err().code(), "store-refused");
    assert_eq!(release(3, std::slice::from_ref(&(0..2))).unwrap_err().code(), "store-refused");
    assert_eq!(release(3, std::slice::from_ref(&(0..1))).unwrap(), FeedId(3));
    let feeds = store.feeds().unwrap();
    assert_eq!((feeds[0].released, feeds[0].counts.quarantined), (2, 2));
    assert_eq!(feeds[1].replayed, Some(FeedId(1)));
    assert_eq!(feeds[1].decision, "asked the ward");
}
