//! What listings show of all packages, to be searched without decoding it.
//!
//! ```text
//! blocks  = per 128 packages, sorted by name, the newest version first: the first name, rows, texts that are searched, the
//!           rest of their records
//! texts   = starts, then per package NAME 0 UPSTREAM 0 OUTPUTS 0 SYNOPSIS 0 DESCRIPTION 0 FILE (outputs between 1s)
//! rows    = name, version, outputs and place of each package
//! ```
//!
//! A search runs over a block's texts as one string and looks closer only where the rarest kind of thing, a match, is; of records
//! it decodes those it shows. Blocks are shared out among threads. Invariant: what is damaged is reported as such and never
//! shown.

use std::{
    cell::OnceCell,
    cmp::Ordering,
    collections::{BTreeMap, btree_map::Entry},
    fs::File,
    io,
};

use hpcl_lang::natives::versions;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{
    PackageRecord,
    pattern::Pattern,
    stored::{Part, Place, read, read_bytes},
};

/// The number of packages in a block.
const BLOCK: usize = 128;
/// The system that hpcl runs on, as recipes name it.
const SYSTEM: &str = "x86_64-linux";
/// The most threads that search.
const MOST_THREADS: usize = 4;
/// Outputs that so many packages have that they say nothing.
const USUAL_OUTPUTS: [&str; 6] = ["out", "doc", "debug", "lib", "include", "bin"];

/// Where the parts of a listing are in an index.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parts {
    blocks: Vec<Block>,
    /// The systems that rows count.
    systems: Vec<String>,
}

/// Where the parts of a block are.
#[derive(Debug, Serialize, Deserialize)]
struct Block {
    /// The name of its first package.
    first: String,
    rows: Place,
    texts: Place,
    records: Place,
}

/// A package in one line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Row<'a> {
    /// The name.
    pub name: &'a str,
    /// The version.
    pub version: &'a str,
    /// The outputs, a space between them.
    pub outputs: &'a str,
    /// The file of the definition.
    pub file: &'a str,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// Whether listings leave it out.
    pub hidden: bool,
    /// Whether another package is to be taken instead.
    pub superseded: bool,
    /// Whether it can be built for the system that hpcl runs on.
    pub supported: bool,
    /// The systems that it and all that it depends on are for: a bit each.
    systems: u32,
}

impl Row<'_> {
    /// Whether listings show it.
    pub fn is_listed(&self) -> bool {
        !self.hidden && !self.superseded
    }
}

/// The texts of a block: where each package's begin, and all of them.
#[derive(Serialize, Deserialize)]
struct Texts<'a> {
    starts: Vec<u32>,
    text: &'a str,
}

/// The records of a block: where each begins, and all of them.
#[derive(Serialize, Deserialize)]
struct Records<'a> {
    starts: Vec<u32>,
    #[serde(borrow)]
    bytes: &'a [u8],
}

/// The listing of an index.
pub struct Listing<'a> {
    file: &'a File,
    parts: Parts,
    /// The rows of all blocks, once somebody asked for them.
    rows: OnceCell<Option<Vec<Vec<u8>>>>,
}

/// Returns the part of a file's name that searches look at: `mpi` of `gnu/packages/mpi.scm`.
fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".scm").or_else(|| name.strip_suffix(".hpcl")).unwrap_or(name)
}

fn order(one: &PackageRecord, other: &PackageRecord) -> Ordering {
    let by_version = || versions::compare(&other.version, &one.version);
    one.name.cmp(&other.name).then_with(by_version).then_with(|| one.location.cmp(&other.location))
}

/// Adds the listing of packages to an index that is being written.
pub(super) fn encode(bytes: &mut Vec<u8>, packages: &[PackageRecord]) -> io::Result<Parts> {
    let mut sorted: Vec<&PackageRecord> = packages.iter().collect();
    sorted.par_sort_by(|one, other| order(one, other));
    let outputs: Vec<String> = sorted.iter().map(|package| package.outputs.join(" ")).collect();
    let (systems, masks) = supported(&sorted);
    let row = |((package, outputs), mask)| row(package, outputs, mask, &systems);
    let rows: Vec<Row<'_>> =
        sorted.iter().copied().zip(outputs.iter().map(String::as_str)).zip(masks).map(row).collect();
    let mut blocks = Vec::new();
    // A few at once, so that not all are in memory twice.
    let several = BLOCK * 4 * MOST_THREADS;
    for (packages, rows) in sorted.chunks(several).zip(rows.chunks(several)) {
        let encoded: Vec<io::Result<EncodedBlock>> =
            packages.par_chunks(BLOCK).zip(rows.par_chunks(BLOCK)).map(encode_block).collect();
        for block in encoded {
            let EncodedBlock { first, rows, texts, records } = block?;
            blocks.push(Block {
                first,
                texts: texts.put(bytes)?,
                records: records.put(bytes)?,
                rows: rows.put(bytes)?,
            });
        }
    }
    Ok(Parts { blocks, systems })
}

/// A block before it has its place.
struct EncodedBlock {
    first: String,
    rows: Part,
    texts: Part,
    records: Part,
}

fn encode_block((packages, rows): (&[&PackageRecord], &[Row<'_>])) -> io::Result<EncodedBlock> {
    let mut texts = (Vec::with_capacity(packages.len()), String::new());
    let mut records = (Vec::with_capacity(packages.len()), Vec::new());
    for package in packages {
        texts.0.push(u32::try_from(texts.1.len()).map_err(io::Error::other)?);
        push_texts(&mut texts.1, package);
        records.0.push(u32::try_from(records.1.len()).map_err(io::Error::other)?);
        records.1 = postcard::to_extend(&Rest::of(package), records.1).map_err(io::Error::other)?;
    }
    Ok(EncodedBlock {
        first: rows.first().map_or("", |row| row.name).to_owned(),
        rows: Part::of(&rows)?,
        texts: Part::of(&Texts { starts: texts.0, text: &texts.1 })?,
        records: Part::of(&Records { starts: records.0, bytes: &records.1 })?,
    })
}

/// A record as [`PackageRecord`] is read back, without what is searched: that stands in the texts.
#[derive(Serialize)]
struct Rest<'a> {
    name: &'a str,
    version: &'a str,
    upstream_name: &'a str,
    outputs: &'a [String],
    synopsis: &'a str,
    description: &'a str,
    license: &'a str,
    home_page: &'a str,
    dependencies: &'a [String],
    systems: &'a [String],
    superseded: &'a Option<String>,
    hidden: bool,
    module: &'a str,
    variable: &'a str,
    location: &'a (String, usize, usize),
}

impl<'a> Rest<'a> {
    fn of(package: &'a PackageRecord) -> Rest<'a> {
        Rest {
            name: "",
            version: &package.version,
            upstream_name: "",
            outputs: &package.outputs,
            synopsis: "",
            description: "",
            license: &package.license,
            home_page: &package.home_page,
            dependencies: &package.dependencies,
            systems: &package.systems,
            superseded: &package.superseded,
            hidden: package.hidden,
            module: &package.module,
            variable: &package.variable,
            location: &package.location,
        }
    }
}

fn row<'a>(package: &'a PackageRecord, outputs: &'a str, mask: u32, systems: &[String]) -> Row<'a> {
    let (file, line, column) = &package.location;
    Row {
        name: &package.name,
        version: &package.version,
        outputs,
        file,
        line: u32::try_from(*line).unwrap_or(u32::MAX),
        column: u32::try_from(*column).unwrap_or(u32::MAX),
        hidden: package.hidden,
        superseded: package.superseded.is_some(),
        supported: named(systems, mask).any(|system| system == SYSTEM),
        systems: mask,
    }
}

/// Returns the systems that there are, and for each package those that it and all that it depends on are for, a bit each.
fn supported(packages: &[&PackageRecord]) -> (Vec<String>, Vec<u32>) {
    let mut systems: Vec<String> = Vec::new();
    let mut bits = |system: &String| {
        let known = systems.iter().position(|known| known == system);
        let at = known.unwrap_or_else(|| {
            systems.push(system.clone());
            systems.len() - 1
        });
        u32::try_from(at).ok().and_then(|at| 1_u32.checked_shl(at)).unwrap_or(0)
    };
    let mut masks: Vec<u32> = packages
        .iter()
        .map(|package| package.systems.iter().map(&mut bits).fold(0, |all, bit| all | bit))
        .collect();
    let full = |package: &PackageRecord| format!("{}@{}", package.name, package.version);
    let places: FxHashMap<String, usize> =
        packages.iter().enumerate().map(|(at, package)| (full(package), at)).collect();
    let needs = |package: &&PackageRecord| -> Vec<usize> {
        let place =
            |text: &String| places.get(text).or_else(|| places.get(text.rsplit_once(':')?.0)).copied();
        package.dependencies.iter().filter_map(place).collect()
    };
    let needs: Vec<Vec<usize>> = packages.iter().map(needs).collect();
    // Bits only go: it ends, cycles of names or not.
    loop {
        let mut changes = false;
        for (at, needs) in needs.iter().enumerate() {
            let all = needs.iter().filter_map(|need| masks.get(*need)).fold(u32::MAX, |all, mask| all & mask);
            if let Some(mask) = masks.get_mut(at)
                && *mask & all != *mask
            {
                *mask &= all;
                changes = true;
            }
        }
        if !changes {
            return (systems, masks);
        }
    }
}

fn named(systems: &[String], mask: u32) -> impl Iterator<Item = &String> {
    systems.iter().take(32).enumerate().filter(move |(at, _)| mask >> at & 1 == 1).map(|(_, system)| system)
}

/// Adds the texts of a package that searches look at.
fn push_texts(text: &mut String, package: &PackageRecord) {
    let unusual = package.outputs.iter().filter(|output| !USUAL_OUTPUTS.contains(&output.as_str()));
    let outputs: Vec<&str> = unusual.map(String::as_str).collect();
    let fields = [
        package.name.as_str(),
        &package.upstream_name,
        &outputs.join("\u{1}"),
        &package.synopsis,
        &package.description,
        stem(&package.location.0),
    ];
    for (number, field) in fields.into_iter().enumerate() {
        if number > 0 {
            text.push('\0');
        }
        text.extend(field.chars().filter(|c| *c != '\0'));
    }
}

impl<'a> Listing<'a> {
    /// Opens the listing of an index; nothing if it is damaged.
    pub(super) fn open(file: &'a File, parts: Place) -> Option<Listing<'a>> {
        Some(Listing { file, parts: read(file, parts)?, rows: OnceCell::new() })
    }

    /// Returns all packages, sorted by name, the newest version of each first; nothing if they are damaged.
    pub fn rows(&self) -> Option<Vec<Row<'_>>> {
        let read = || self.parts.blocks.iter().map(|block| read_bytes(self.file, block.rows)).collect();
        let mut rows = Vec::with_capacity(self.parts.blocks.len() * BLOCK);
        for block in self.rows.get_or_init(read).as_ref()? {
            rows.extend(rows_in(block)?);
        }
        Some(rows)
    }

    /// Returns the places of the packages of a name that are accepted; nothing if something is damaged.
    pub fn places(&self, name: &str, accept: impl Fn(&Row<'_>) -> bool) -> Option<Vec<usize>> {
        // They begin in the last block whose first name is before theirs, if not with a block.
        let first = self.parts.blocks.partition_point(|block| block.first.as_str() < name).saturating_sub(1);
        let mut places = Vec::new();
        let blocks = self.parts.blocks.iter().enumerate().skip(first);
        for (number, block) in blocks.take_while(|(_, block)| block.first.as_str() <= name) {
            let bytes = read_bytes(self.file, block.rows)?;
            let rows = rows_in(&bytes)?;
            let own = rows.iter().enumerate().filter(|(_, row)| row.name == name && accept(row));
            places.extend(own.map(|(at, _)| number * BLOCK + at));
        }
        Some(places)
    }

    /// Returns the records of packages, given their places, with the systems that all that they depend on are for too; nothing if
    /// one is damaged.
    pub fn records(&self, places: &[usize]) -> Option<Vec<PackageRecord>> {
        let mut records = self.own_records(places)?;
        let mut blocks: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (record, at) in records.iter_mut().zip(places) {
            let masks = match blocks.entry(at / BLOCK) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let bytes = read_bytes(self.file, self.parts.blocks.get(at / BLOCK)?.rows)?;
                    entry.insert(rows_in(&bytes)?.iter().map(|row| row.systems).collect())
                }
            };
            record.systems = named(&self.parts.systems, *masks.get(at % BLOCK)?).cloned().collect();
        }
        Some(records)
    }

    /// Returns the records of all packages as they were found; nothing if one is damaged.
    pub fn all_records(&self) -> Option<Vec<PackageRecord>> {
        let file = self.file;
        let of_block = |block: &Block| -> Option<Vec<PackageRecord>> {
            let (texts, records) = (read_bytes(file, block.texts)?, read_bytes(file, block.records)?);
            let opened = Opened::of(&texts, &records)?;
            (0..opened.records.starts.len()).map(|slot| opened.record(slot)).collect()
        };
        let records: Option<Vec<Vec<PackageRecord>>> = self.parts.blocks.par_iter().map(of_block).collect();
        Some(records?.into_iter().flatten().collect())
    }

    fn own_records(&self, places: &[usize]) -> Option<Vec<PackageRecord>> {
        let mut blocks: BTreeMap<usize, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
        for block in places.iter().map(|at| at / BLOCK) {
            if let Entry::Vacant(entry) = blocks.entry(block) {
                let block = self.parts.blocks.get(block)?;
                entry.insert((read_bytes(self.file, block.texts)?, read_bytes(self.file, block.records)?));
            }
        }
        let mut opened: BTreeMap<usize, Opened<'_>> = BTreeMap::new();
        for (number, (texts, records)) in &blocks {
            opened.insert(*number, Opened::of(texts, records)?);
        }
        places.iter().map(|at| opened.get(&(at / BLOCK))?.record(at % BLOCK)).collect()
    }

    /// Returns the places of the listed packages that all patterns match, with their scores as Guix counts them, the highest
    /// first; nothing if something is damaged.
    pub fn search(&self, patterns: &[Pattern]) -> Option<Vec<(usize, u32)>> {
        let blocks = &self.parts.blocks;
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let share = blocks.len().div_ceil(threads).max(1);
        let search = |(number, share_of): (usize, &[Block])| -> Option<Vec<Found>> {
            let mut found = Vec::new();
            for (at, block) in share_of.iter().enumerate() {
                let bytes = read_bytes(self.file, block.texts)?;
                let texts: Texts<'_> = postcard::from_bytes(&bytes).ok()?;
                let own = texts.search(patterns)?;
                if own.is_empty() {
                    continue;
                }
                let bytes = read_bytes(self.file, block.rows)?;
                let rows = rows_in(&bytes)?;
                for (slot, score) in own {
                    let row = rows.get(slot)?;
                    if row.is_listed() {
                        let place = (number * share + at) * BLOCK + slot;
                        found.push(Found { place, score, name: row.name.to_owned() });
                    }
                }
            }
            Some(found)
        };
        let found: Option<Vec<Vec<Found>>> = if blocks.len() < 2 * threads {
            search((0, blocks)).map(|found| vec![found])
        } else {
            std::thread::scope(|scope| {
                let parts = blocks.chunks(share).enumerate();
                let handles: Vec<_> = parts.map(|part| scope.spawn(move || search(part))).collect();
                handles.into_iter().map(|handle| handle.join().ok()?).collect()
            })
        };
        let mut found: Vec<Found> = found?.into_iter().flatten().collect();
        // Among equals Guix has the last name first, and of one name the newest version, as the rows have it.
        found.sort_by(|one, other| {
            let by_name = || other.name.cmp(&one.name);
            other.score.cmp(&one.score).then_with(by_name).then_with(|| one.place.cmp(&other.place))
        });
        Some(found.into_iter().map(|found| (found.place, found.score)).collect())
    }
}

/// A package that a search found.
struct Found {
    place: usize,
    score: u32,
    name: String,
}

fn rows_in(bytes: &[u8]) -> Option<Vec<Row<'_>>> {
    postcard::from_bytes(bytes).ok()
}

/// A block whose records are read.
struct Opened<'a> {
    texts: Texts<'a>,
    records: Records<'a>,
}

impl<'a> Opened<'a> {
    fn of(texts: &'a [u8], records: &'a [u8]) -> Option<Opened<'a>> {
        Some(Opened {
            texts: postcard::from_bytes(texts).ok()?,
            records: postcard::from_bytes(records).ok()?,
        })
    }

    fn record(&self, slot: usize) -> Option<PackageRecord> {
        let start = *self.records.starts.get(slot)? as usize;
        let mut record: PackageRecord = postcard::from_bytes(self.records.bytes.get(start..)?).ok()?;
        let mut fields = self.texts.text_of(slot)?.split('\0').map(str::to_owned);
        record.name = fields.next()?;
        record.upstream_name = fields.next()?;
        let _outputs = fields.next()?;
        record.synopsis = fields.next()?;
        record.description = fields.next()?;
        Some(record)
    }
}

impl Texts<'_> {
    /// Returns which packages all patterns match, and their scores; nothing if it is damaged.
    fn search(&self, patterns: &[Pattern]) -> Option<Vec<(usize, u32)>> {
        let mut found = Vec::new();
        let quick = patterns.iter().filter_map(Pattern::quick).max_by_key(|(length, _)| *length);
        let Some((_, quick)) = quick else {
            for slot in 0..self.starts.len() {
                found.extend(score(self.text_of(slot)?, patterns).map(|score| (slot, score)));
            }
            return Some(found);
        };
        let mut at = 0;
        while let Some(place) = quick.find_at(self.text, at) {
            let slot =
                self.starts.partition_point(|start| *start as usize <= place.start()).checked_sub(1)?;
            found.extend(score(self.text_of(slot)?, patterns).map(|score| (slot, score)));
            match self.starts.get(slot + 1) {
                Some(next) => at = *next as usize,
                None => break,
            }
        }
        Some(found)
    }

    fn text_of(&self, slot: usize) -> Option<&str> {
        let start = *self.starts.get(slot)? as usize;
        let end = self.starts.get(slot + 1).map_or(self.text.len(), |next| *next as usize);
        self.text.get(start..end)
    }
}

/// Returns how well a package's texts match, unless a pattern does not match at all: for each match five if it is the whole
/// text and else one, weighted by what the text is.
fn score(texts: &str, patterns: &[Pattern]) -> Option<u32> {
    const WEIGHTS: [u32; 6] = [4, 2, 1, 3, 2, 1];
    let mut sum = 0;
    for pattern in patterns {
        let mut own = 0;
        for (number, (text, weight)) in texts.split('\0').zip(WEIGHTS).enumerate() {
            // An absent text, as Guix's missing ones, counts nothing; so do no outputs.
            if text.is_empty() && number > 0 {
                continue;
            }
            own += weight * text.split('\u{1}').map(|text| pattern.score(text)).sum::<u32>();
        }
        if own == 0 {
            return None;
        }
        sum += own;
    }
    Some(sum)
}
