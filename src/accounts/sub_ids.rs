//! Ranges of subordinate ids: which are taken, and where the next one goes. Pure.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::accounts::database::{Table, parse_number};

/// How many ids an automatic range has (NixOS `autoSubUidGidRange`).
pub(crate) const AUTO_COUNT: u32 = 65536;

/// Ranges that are in use, with the place where the search for a free one goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct SubIds {
    /// First id -> the id after the last one. Overlapping ranges are merged.
    taken: BTreeMap<u64, u64>,
    cursor: u64,
}

impl SubIds {
    /// Marks a range as taken.
    pub(crate) fn take(&mut self, start: u32, count: u32) {
        if count == 0 {
            return;
        }
        let (mut start, mut end) = (u64::from(start), u64::from(start) + u64::from(count));
        while let Some((&s, &e)) = self.taken.range(..=end).next_back() {
            if e < start {
                break;
            }
            self.taken.remove(&s);
            start = start.min(s);
            end = end.max(e);
        }
        self.taken.insert(start, end);
    }

    /// Marks every range of a database as taken.
    pub(crate) fn take_all(&mut self, table: &Table<'_>) {
        for (_, row) in table.entries() {
            if let (Some(start), Some(count)) = (
                parse_number(table.field(row, 1)),
                parse_number(table.field(row, 2)),
            ) {
                self.take(start, count);
            }
        }
    }

    /// Says whether any id of a range is taken.
    #[must_use]
    pub(crate) fn overlaps(&self, start: u32, count: u32) -> bool {
        self.end_of_overlap(u64::from(start), u64::from(count))
            .is_some()
    }

    /// Finds the lowest free range, at a multiple of [`AUTO_COUNT`] above the range's start, and takes it.
    pub(crate) fn allocate(&mut self, within: &RangeInclusive<u32>) -> Option<u32> {
        let count = u64::from(AUTO_COUNT);
        let first = u64::from(*within.start());
        let mut start = self.cursor.max(first);
        while let Some(end) = self.end_of_overlap(start, count) {
            start = first + (end - first).div_ceil(count) * count;
        }
        if start + count > u64::from(*within.end()) + 1 {
            return None;
        }
        self.cursor = start + count;
        let start = u32::try_from(start).ok()?;
        self.take(start, AUTO_COUNT);
        Some(start)
    }

    fn end_of_overlap(&self, start: u64, count: u64) -> Option<u64> {
        let (_, &end) = self.taken.range(..start + count).next_back()?;
        (end > start && count > 0).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn allocates_the_lowest_free_range() {
        let within = 100_000..=600_100_000;
        let mut ids = SubIds::default();
        assert_eq!(ids.allocate(&within), Some(100_000));
        ids.take(165_536, 10);
        assert_eq!(
            ids.allocate(&within),
            Some(231_072),
            "a range that is partly taken is skipped"
        );
        let mut full = SubIds::default();
        assert_eq!(full.allocate(&(100_000..=165_534)), None, "one id too few");
        assert_eq!(full.allocate(&(100_000..=165_535)), Some(100_000));
        assert_eq!(full.allocate(&(100_000..=165_535)), None);
    }

    proptest! {
        #[test]
        fn never_allocates_what_is_taken(ranges in proptest::collection::vec((90_000..500_000u32, 1..200_000u32), 0..12)) {
            let mut ids = SubIds::default();
            for &(start, count) in &ranges {
                ids.take(start, count);
            }
            let got: Vec<u32> = (0..3).map(|_| ids.allocate(&(100_000..=600_100_000)).unwrap()).collect();
            for &start in &got {
                let disjoint = |s: u32, c: u32| start >= s + c || start + AUTO_COUNT <= s;
                prop_assert!(ranges.iter().all(|&(s, c)| disjoint(s, c)));
                prop_assert!(got.iter().filter(|&&g| g != start).all(|&g| disjoint(g, AUTO_COUNT)));
            }
        }
    }
}
