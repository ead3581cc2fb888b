use order::Status;
use task::Hint;

use super::*;

fn project() -> ProjectId {
    "44056".parse().unwrap()
}

fn player(name: &str) -> PlayerId {
    name.parse().unwrap()
}

fn hints(epoch: &str, name: &str, offsets: impl IntoIterator<Item = i64>) -> Hints {
    let row = |offset| Hint {
        project: project(),
        player: player(name),
        offset,
        order: "7".parse().unwrap(),
        status: Status::Paid,
    };
    Hints {
        epoch: epoch.to_owned(),
        at: None,
        rows: offsets.into_iter().map(row).collect(),
        traces: task::RowTraces::default(),
    }
}

fn join(hub: &Arc<Hub>, name: &str) -> (Seat, Arc<Mailbox>) {
    let mailbox = Arc::new(Mailbox::default());
    let seat = hub.join(project(), player(name), Arc::clone(&mailbox));
    (seat, mailbox)
}

fn top(mailbox: &Mailbox) -> Option<u64> {
    mailbox.take().top.map(|(_, top)| top)
}

#[test]
fn rows_reach_every_connection_of_their_player_and_nobody_else() {
    let hub = Hub::new(8);
    let (_one, one) = join(&hub, "mira");
    let (_two, two) = join(&hub, "mira");
    let (_other, other) = join(&hub, "ann");
    assert_eq!(hub.tell(&hints("e", "mira", [1, 2])), 2);
    assert_eq!((one.take().rows.len(), two.take().rows.len()), (2, 2));
    assert!(other.take().rows.is_empty());
    assert_eq!(hub.tell(&hints("e", "nobody", [1])), 0);
}

#[test]
fn the_oldest_connection_makes_room_for_the_newest() {
    let hub = Hub::new(2);
    let seats = [join(&hub, "mira"), join(&hub, "mira"), join(&hub, "mira")];
    let closed = seats.each_ref().map(|(_, mailbox)| mailbox.take().close);
    assert_eq!(closed, [Some(Close::ConnectionLimit), None, None]);
}

#[test]
fn a_player_without_connections_leaves_nothing_behind() {
    let hub = Hub::new(8);
    let (first, _) = join(&hub, "mira");
    let (second, _) = join(&hub, "mira");
    drop(first);
    assert_eq!(hub.positions().len(), 1);
    drop(second);
    assert!(hub.lock().is_empty());
}

#[test]
fn an_audience_at_the_top_is_passed_over() {
    let hub = Hub::new(8);
    let (_seat, mailbox) = join(&hub, "mira");
    hub.tell(&hints("e", "mira", [1, 2]));
    drop(mailbox.take());
    assert_eq!(hub.compare(&hub.positions(), "e", &[2]), 0);
    assert_eq!(top(&mailbox), None);
}

#[test]
fn a_lost_hint_is_found_once() {
    let hub = Hub::new(8);
    let (seat, mailbox) = join(&hub, "mira");
    seat.has_read("e", 1);
    assert_eq!(hub.compare(&hub.positions(), "e", &[2]), 1);
    assert_eq!(top(&mailbox), Some(2));
    assert_eq!(hub.compare(&hub.positions(), "e", &[2]), 0);
    assert_eq!(top(&mailbox), None);
}

#[test]
fn a_hint_that_overtakes_the_comparison_is_not_undone_by_it() {
    let hub = Hub::new(8);
    let (_seat, mailbox) = join(&hub, "mira");
    hub.tell(&hints("e", "mira", [1]));
    let positions = hub.positions();
    hub.tell(&hints("e", "mira", [2]));
    drop(mailbox.take());
    assert_eq!(hub.compare(&positions, "e", &[1]), 0);
    assert_eq!(top(&mailbox), None);
}

#[test]
fn a_stream_that_was_shortened_is_told() {
    let hub = Hub::new(8);
    let (_seat, mailbox) = join(&hub, "mira");
    hub.tell(&hints("e", "mira", [1, 2, 3]));
    hub.compare(&hub.positions(), "e", &[1]);
    assert_eq!(top(&mailbox), Some(1));
}

#[test]
fn another_epoch_is_told() {
    let hub = Hub::new(8);
    let (_seat, mailbox) = join(&hub, "mira");
    hub.tell(&hints("old", "mira", [1, 2]));
    hub.compare(&hub.positions(), "new", &[2]);
    assert_eq!(mailbox.take().top, Some((Arc::from("new"), 2)));
}

#[test]
fn one_read_speaks_for_an_audience_of_one_only() {
    let hub = Hub::new(8);
    let (early, mailbox) = join(&hub, "mira");
    let (late, _) = join(&hub, "mira");
    // The late one has seen row 2, the early one may have read before it was there.
    late.has_read("e", 2);
    early.has_read("e", 1);
    hub.compare(&hub.positions(), "e", &[2]);
    assert_eq!(top(&mailbox), Some(2));
}
