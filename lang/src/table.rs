//! Hash tables.
//!
//! Entries keep the order in which their keys were first inserted, so that nothing ever depends on hash order.
//! Keys are compared by the table's [`Equality`].

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::{
    equal::{Equality, hash},
    release::release,
    value::Value,
};

/// A hash table in order of insertion.
pub struct Table {
    /// The computation that may change it, see `module::epoch`.
    pub(crate) epoch: u64,
    equality: Equality,
    lists: bool,
    entries: Vec<Option<(Value, Value)>>,
    places: FxHashMap<u64, SmallVec<[u32; 1]>>,
    live: usize,
}

impl Default for Table {
    fn default() -> Self {
        Table::new(Equality::Equal)
    }
}

impl Table {
    /// Returns an empty table whose keys are compared that way.
    pub fn new(equality: Equality) -> Self {
        Table {
            epoch: crate::module::ALWAYS,
            equality,
            lists: false,
            entries: Vec::new(),
            places: FxHashMap::default(),
            live: 0,
        }
    }

    /// Returns an empty table whose keys are lists that are the same when their elements are, compared that way.
    pub fn for_lists(elements: Equality) -> Self {
        let mut table = Table::new(elements);
        table.lists = true;
        table
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Returns what a key stands for.
    pub fn get(&self, key: &Value) -> Option<&Value> {
        let place = self.place(self.hash(key), key)?;
        self.entries.get(place)?.as_ref().map(|(_, value)| value)
    }

    /// Sets what a key stands for and returns what it stood for.
    pub fn insert(&mut self, key: Value, value: Value) -> Option<Value> {
        let code = self.hash(&key);
        if let Some(place) = self.place(code, &key)
            && let Some(Some((_, old))) = self.entries.get_mut(place)
        {
            return Some(std::mem::replace(old, value));
        }
        let place = u32::try_from(self.entries.len()).expect("a table has fewer than 2^32 entries");
        self.entries.push(Some((key, value)));
        self.places.entry(code).or_default().push(place);
        self.live += 1;
        None
    }

    /// Removes a key and returns what it stood for.
    pub fn remove(&mut self, key: &Value) -> Option<Value> {
        let code = self.hash(key);
        let place = self.place(code, key)?;
        let (_, value) = self.entries.get_mut(place)?.take()?;
        if let Some(places) = self.places.get_mut(&code) {
            places.retain(|other| *other as usize != place);
        }
        self.live -= 1;
        if self.entries.len() > 32 && self.live < self.entries.len() / 2 {
            self.compact();
        }
        Some(value)
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.places.clear();
        self.live = 0;
    }

    /// Returns the entries in the order in which their keys were first inserted.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Value, &Value)> {
        self.entries.iter().flatten().map(|(key, value)| (key, value))
    }

    fn hash(&self, key: &Value) -> u64 {
        if !self.lists {
            return hash(key, self.equality);
        }
        let mut code = 0_u64;
        let mut rest = key;
        while let Value::Pair(pair) = rest {
            code = code.rotate_left(5) ^ hash(&pair.car, self.equality);
            rest = &pair.cdr;
        }
        code
    }

    fn same(&self, left: &Value, right: &Value) -> bool {
        if !self.lists {
            return self.equality.holds(left, right);
        }
        let (mut left, mut right) = (left, right);
        while let (Value::Pair(a), Value::Pair(b)) = (left, right) {
            if !self.equality.holds(&a.car, &b.car) {
                return false;
            }
            (left, right) = (&a.cdr, &b.cdr);
        }
        matches!((left, right), (Value::Nil, Value::Nil))
    }

    fn place(&self, code: u64, key: &Value) -> Option<usize> {
        self.places
            .get(&code)?
            .iter()
            .map(|place| *place as usize)
            .find(|place| matches!(self.entries.get(*place), Some(Some((other, _))) if self.same(other, key)))
    }

    fn compact(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        self.places.clear();
        self.live = 0;
        for (key, value) in entries.into_iter().flatten() {
            self.insert(key, value);
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for (key, value) in self.entries.drain(..).flatten() {
            release(key);
            release(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Table;
    use crate::value::Value;

    #[test]
    fn entries_keep_the_order_of_insertion() {
        let mut table = Table::default();
        for n in 0..100 {
            table.insert(Value::string(format!("k{n}")), Value::Int(n));
        }
        for n in 0..90 {
            assert!(table.remove(&Value::string(format!("k{n}"))).is_some());
        }
        table.insert(Value::string("k95"), Value::Int(0));
        let keys: Vec<_> = table.iter().filter_map(|(key, _)| key.as_str().map(str::to_owned)).collect();
        assert_eq!(keys, ["k90", "k91", "k92", "k93", "k94", "k95", "k96", "k97", "k98", "k99"]);
        assert_eq!(table.len(), 10);
        assert!(matches!(table.get(&Value::string("k95")), Some(Value::Int(0))));
    }
}
