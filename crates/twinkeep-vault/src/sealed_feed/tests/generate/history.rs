//! Vectors that are genuine and come at the wrong time.

use super::Kit;
use crate::sealed_feed::tests::options;

pub(super) fn write(kit: &Kit) {
    let first = kit.first_manifest();
    let feed = kit.forge(&options(1, None), 100);
    kit.vector("The first feed again.").after(1, &first).refused("feed-replayed", 0).write(
        &kit.root,
        "replayed",
        &feed.bytes(),
    );
    kit.vector("The first feed, after the fifth.")
        .after(5, &first)
        .allowing_gaps()
        .refused("feed-replayed", 0)
        .write(&kit.root, "replayed-older", &feed.bytes());
    let other = [7; 32];
    let feed = kit.forge(&options(2, Some(other)), 100);
    kit.vector("The second feed names another first feed than the one that was received.")
        .after(1, &first)
        .refused("feed-forked", 0)
        .write(&kit.root, "forked", &feed.bytes());
    kit.vector("The same, where gaps are allowed: there is no gap.")
        .after(1, &first)
        .allowing_gaps()
        .refused("feed-forked", 0)
        .write(&kit.root, "forked-with-gaps-allowed", &feed.bytes());
    let feed = kit.forge(&options(4, Some(other)), 100);
    kit.vector("Feeds 2 and 3 are missing.").after(1, &first).refused("feed-gap", 0).write(
        &kit.root,
        "gap",
        &feed.bytes(),
    );
    kit.vector("The receiver knows no feed of this sender, and this is the fourth.")
        .refused("feed-gap", 0)
        .write(&kit.root, "gap-at-the-start", &feed.bytes());
}
