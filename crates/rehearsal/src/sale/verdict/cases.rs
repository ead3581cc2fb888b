//! What of a journal has to be asked for, and when an order has come to its end.

use std::collections::BTreeMap;

use crate::sale::findings::Found;
use crate::sale::journal::{Journal, Post, Shopper};
use crate::sale::oracle::Arrival;

use super::Limits;
use super::evidence::{Case, Faults, Said, posts_of};

/// The orders of a journal, by their place in it.
pub(crate) struct Cases<'a> {
    orders: Vec<(&'a Shopper, Vec<&'a Post>)>,
    faults: Faults<'a>,
}

impl<'a> Cases<'a> {
    pub(crate) fn new(journal: &'a Journal) -> Self {
        Self {
            orders: journal.shoppers.iter().zip(posts_of(journal)).collect(),
            faults: Faults::new(journal, Limits::default().recovery),
        }
    }

    /// # Panics
    /// When the journal has no such place.
    pub(crate) fn shopper(&self, place: usize) -> &'a Shopper {
        self.orders[place].0
    }

    /// Places of the orders of which anything was accepted.
    pub(crate) fn sent(&self) -> Vec<usize> {
        let all = 0..self.orders.len();
        all.filter(|place| {
            let case = self.case(*place, Said::default());
            case.notices()
                .any(|(_, arrival)| arrival == Arrival::Surely)
        })
        .collect()
    }

    /// The places of each player's orders.
    pub(crate) fn by_player(&self) -> BTreeMap<&'a str, Vec<usize>> {
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, (shopper, _)) in self.orders.iter().enumerate() {
            places
                .entry(&shopper.purchase.player)
                .or_default()
                .push(place);
        }
        places
    }

    pub(crate) fn is_doubtful(&self, place: usize) -> bool {
        self.case(place, Said::default()).is_doubtful()
    }

    /// Whether something accepted is not among what an order lists: it may be known of the
    /// payment alone.
    pub(crate) fn lacks(&self, place: usize, found: Option<&Found>) -> bool {
        let said = Said {
            found,
            ..Said::default()
        };
        !self.case(place, said).lost().is_empty()
    }

    /// Whether everything accepted has ended, and the order stands where it may stand.
    pub(crate) fn has_ended(&self, place: usize, said: Said<'_>) -> bool {
        let case = self.case(place, said);
        case.lost().is_empty() && case.surprise().is_none()
    }

    fn case<'b>(&'b self, place: usize, said: Said<'b>) -> Case<'b> {
        let (shopper, posts) = &self.orders[place];
        Case::new(shopper, posts.clone(), said, self.faults)
    }
}
