//! The reader and those who watch, with a feed in memory and time that the tests
//! move.

use super::*;
use crate::activity::tests::entry;
use crate::testing::MemoryFeed;

fn inbox() -> ListId {
    ListId::try_from("inbox".to_owned()).expect("a list")
}

fn seen(text: &str) -> Seen {
    text.parse().expect("places")
}

fn live(feed: &Arc<MemoryFeed>) -> (Live, Shutdown) {
    let shutdown = Shutdown::manual();
    let feed: Arc<dyn Feed> = Arc::<MemoryFeed>::clone(feed);
    (Live::start(feed, &shutdown), shutdown)
}

async fn next(watcher: &mut Subscription) -> u64 {
    let entry = tokio::time::timeout(Duration::from_mins(1), watcher.next()).await;
    let entry = entry.expect("an entry in time");
    entry.expect("the pod is not ending").sequence
}

#[tokio::test(start_paused = true)]
async fn every_watcher_gets_each_entry_once_though_they_come_out_of_order() {
    let feed = Arc::new(MemoryFeed::default());
    let (live, _shutdown) = live(&feed);
    let mut one = live.watch(&inbox(), seen("0")).expect("a place");
    let mut other = live.watch(&inbox(), seen("0")).expect("a place");

    for place in [1, 3, 2, 4] {
        feed.add(entry(place, "todo.added", "x"));
        assert_eq!(next(&mut one).await, place);
        assert_eq!(next(&mut other).await, place);
    }

    assert_eq!(one.seen(), &seen("4"));
}

#[tokio::test(start_paused = true)]
async fn a_watcher_who_comes_back_gets_what_they_missed_and_the_others_nothing_twice() {
    let feed = Arc::new(MemoryFeed::default());
    for place in [1, 2, 4, 5] {
        feed.add(entry(place, "todo.added", "x"));
    }
    let (live, _shutdown) = live(&feed);
    let mut first = live.watch(&inbox(), seen("5")).expect("a place");
    let mut back = live.watch(&inbox(), seen("1.4")).expect("a place");

    assert_eq!(next(&mut back).await, 2);
    assert_eq!(next(&mut back).await, 5);

    feed.add(entry(6, "todo.added", "x"));
    assert_eq!(next(&mut back).await, 6);
    assert_eq!(next(&mut first).await, 6);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_once_for_all_and_not_when_nobody_watches() {
    let feed = Arc::new(MemoryFeed::default());
    let (live, _shutdown) = live(&feed);
    let watchers: Vec<_> = (0..10)
        .map(|_| live.watch(&inbox(), seen("0")).expect("a place"))
        .collect();

    let reads = feed.reads();
    sleep(PAUSE * 10).await;
    let while_watched = feed.reads() - reads;
    drop(watchers);
    sleep(PAUSE * 2).await;
    let reads = feed.reads();
    sleep(PAUSE * 10).await;

    assert!((9..=11).contains(&while_watched), "{while_watched}");
    assert_eq!(feed.reads(), reads);
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_fails_is_asked_again() {
    let feed = Arc::new(MemoryFeed::default());
    feed.fails(true);
    let (live, _shutdown) = live(&feed);
    let mut watcher = live.watch(&inbox(), seen("0")).expect("a place");
    sleep(PAUSE * 3).await;

    feed.fails(false);
    feed.add(entry(1, "todo.added", "x"));

    assert_eq!(next(&mut watcher).await, 1);
}

#[tokio::test(start_paused = true)]
async fn watchers_are_told_that_the_pod_ends() {
    let feed = Arc::new(MemoryFeed::default());
    let (live, shutdown) = live(&feed);
    let mut watcher = live.watch(&inbox(), seen("0")).expect("a place");

    shutdown.request("test");

    assert_eq!(watcher.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn there_is_room_for_so_many_watchers_and_no_more() {
    let feed = Arc::new(MemoryFeed::default());
    let (live, _shutdown) = live(&feed);
    let mut watchers: Vec<_> = (0..MOST_WATCHERS)
        .map(|_| live.watch(&inbox(), seen("0")).expect("a place"))
        .collect();

    assert!(live.watch(&inbox(), seen("0")).is_none());
    watchers.pop();
    assert!(live.watch(&inbox(), seen("0")).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_watcher_who_is_too_slow_has_to_come_again() {
    let feed = Arc::new(MemoryFeed::default());
    let (live, _shutdown) = live(&feed);
    let mut slow = live.watch(&inbox(), seen("0")).expect("a place");

    for place in 1..=600 {
        feed.add(entry(place, "todo.added", "x"));
        if place % 100 == 0 {
            sleep(PAUSE * 2).await;
        }
    }

    assert_eq!(slow.next().await, None);
}
