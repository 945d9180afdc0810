//! Which requests hold a key that has no outcome yet, so that what follows for that key waits for them.
//!
//! Must not know: operations, batches, or how a request ends.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

/// Keys that may be remembered before the remembered ones are looked through for the first time.
const SLACK: usize = 16_384;

/// The open requests and their keys. A request is known by its serial number, and open from its beginning until the
/// last of its rows has an outcome.
///
/// Keys are remembered by a hash of 64 bits: two keys that share one only wait for each other in vain.
pub(super) struct Order {
    hasher: RandomState,
    /// The last request that took a key. It may have ended.
    last: HashMap<u64, u64, BuildHasherDefault<Hashed>>,
    /// Rows without an outcome by open request.
    open: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    serial: u64,
    look_through_at: usize,
}

/// The keys of the maps are hashes already, or serial numbers.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Order {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            last: HashMap::default(),
            open: HashMap::default(),
            serial: 0,
            look_through_at: SLACK,
        }
    }

    pub(super) fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Opens a request and gives its serial number.
    pub(super) fn begin(&mut self) -> u64 {
        self.serial += 1;
        self.open.insert(self.serial, 0);
        self.serial
    }

    /// A key joins request `serial`. Gives the open request that had the key before, which may be the same.
    pub(super) fn join(&mut self, hash: u64, serial: u64) -> Option<u64> {
        let before = self.last.insert(hash, serial).filter(|before| self.is_open(*before));
        if self.last.len() > self.look_through_at {
            let open = &self.open;
            self.last.retain(|_, serial| open.contains_key(serial));
            self.look_through_at = 2 * self.last.len() + SLACK;
        }
        before
    }

    /// Whether an open request holds the key.
    pub(super) fn holds(&self, hash: u64) -> bool {
        self.last.get(&hash).is_some_and(|serial| self.is_open(*serial))
    }

    pub(super) fn is_open(&self, serial: u64) -> bool {
        self.open.contains_key(&serial)
    }

    /// Request `serial` is complete: so many rows wait for their outcome.
    pub(super) fn close(&mut self, serial: u64, rows: usize) {
        self.open.insert(serial, rows);
    }

    /// So many rows of request `serial` have their outcome, or never will.
    pub(super) fn settle(&mut self, serial: u64, rows: usize) {
        if let Some(left) = self.open.get_mut(&serial) {
            *left = left.saturating_sub(rows);
            if *left == 0 {
                self.open.remove(&serial);
            }
        }
    }

    /// Moves so many rows of request `serial` into a request of their own and gives its number.
    pub(super) fn part(&mut self, serial: u64, rows: usize) -> u64 {
        let own = self.begin();
        self.close(own, rows);
        self.settle(serial, rows);
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_held_until_the_last_row_of_its_request_has_ended() {
        let mut order = Order::new();
        let (a, b) = (order.hash("a"), order.hash("b"));
        let serial = order.begin();
        assert_eq!((order.join(a, serial), order.join(b, serial)), (None, None));
        assert_eq!(order.join(a, serial), Some(serial));
        order.close(serial, 3);
        order.settle(serial, 1);
        assert!(order.holds(a) && order.holds(b));
        let part = order.part(serial, 2);
        assert!(order.is_open(part) && !order.is_open(serial));
        order.settle(part, 2);
        assert!(!order.holds(a) && order.open.is_empty());
    }

    #[test]
    fn what_has_ended_is_forgotten() {
        let mut order = Order::new();
        for request in 0..100 {
            let serial = order.begin();
            for row in 0..1_000 {
                let hash = order.hash(&format!("{request}-{row}"));
                order.join(hash, serial);
            }
            order.close(serial, 1_000);
            order.settle(serial, 1_000);
        }
        assert!(order.last.len() <= SLACK + 2_000, "{}", order.last.len());
    }
}
