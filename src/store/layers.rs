//! Layers: read-only stores of others below this one, whose items are used where they lie.
//!
//! An item is looked for in this store first, then in the layers in their order. What a layer has is neither built nor copied: what is
//! made here refers to it by the layer's path. So an item of this store may hold the paths of several stores; all are as long as the canonical
//! one, and each becomes it on the way out. On the way in, the hash part behind the directory says where the item lies
//! ([`Places`]). Nothing is ever written below a layer.
//!
//! `var/layers.json` lists the layers whose paths stand in items of this store. They belong to it from then on, whatever the settings say:
//! without them those items would neither run nor have their hash. [`LocalStore::detach`] is the way back.
//!
//! Invariant: what a layer has is read when the store is opened, so that for one process an item lies in one place.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use memchr::memmem;
use rustc_hash::FxHashMap;

use super::{Description, FORMAT, ItemInfo, LocalStore, StoreConfig, StoreError, files, gc::users_first};
use crate::{
    hash::is_base32,
    nar::{Places, Scan},
    store_path::{CANONICAL_STORE, HASH_LENGTH, StorePath},
};

/// A store below another one.
#[derive(Debug)]
pub(super) struct Layer {
    /// Its store directory, as text.
    pub store: String,
    /// The directory of its metadata.
    items: PathBuf,
}

impl Layer {
    /// The metadata of an item that it has, whole as far as a look at it tells.
    fn info(&self, path: &StorePath) -> Option<ItemInfo> {
        Path::new(&self.store).join(path.as_str()).symlink_metadata().ok()?;
        serde_json::from_slice(&fs::read(self.items.join(format!("{path}.json"))).ok()?).ok()
    }
}

/// The layers of a store, in the order of looking.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub all: Vec<Layer>,
    /// Which layers have an item, by its hash part.
    items: FxHashMap<[u8; HASH_LENGTH], (StorePath, Vec<usize>)>,
}

fn key(path: &StorePath) -> [u8; HASH_LENGTH] {
    *path.hash_part().as_bytes().first_chunk().expect("a hash part has this length")
}

impl Layers {
    /// Opens what the configuration and the store itself name, and what those layers lie on.
    pub(super) fn open(config: &StoreConfig) -> Result<Layers, StoreError> {
        let mut layers = Layers::default();
        let mut known = HashSet::from([config.store.clone()]);
        let mut left: Vec<String> = config.layers.clone();
        left.extend(remembered(&config.var_dir())?);
        left.reverse();
        while let Some(store) = left.pop() {
            if !known.insert(store.clone()) {
                continue;
            }
            let var = Path::new(&store).with_file_name("var");
            left.extend(remembered(&var)?.into_iter().rev());
            layers.add(store, &var)?;
        }
        Ok(layers)
    }

    fn add(&mut self, store: String, var: &Path) -> Result<(), StoreError> {
        let gone = |source| StoreError::LayerGone { layer: PathBuf::from(&store), source };
        let description = var.join("store.json");
        let text = fs::read(&description).map_err(gone)?;
        let found: Description = serde_json::from_slice(&text)
            .map_err(|source| StoreError::Metadata { path: description, source })?;
        let path = PathBuf::from(&store);
        if found.format != FORMAT {
            return Err(StoreError::Format { path, found: found.format, known: FORMAT });
        }
        if found.store != store {
            return Err(StoreError::Moved { path, made: found.store });
        }
        let items = var.join("items");
        let number = self.all.len();
        for entry in items.read_dir().map_err(gone)? {
            let name = entry.map_err(gone)?.file_name();
            let path = name.to_str().and_then(|name| name.strip_suffix(".json")).map(StorePath::parse);
            if let Some(Ok(path)) = path {
                self.items.entry(key(&path)).or_insert((path, Vec::new())).1.push(number);
            }
        }
        self.all.push(Layer { store, items });
        Ok(())
    }

    /// The metadata of an item in the first layer that has it.
    pub(super) fn info(&self, path: &StorePath) -> Option<ItemInfo> {
        self.holding(path).next().map(|(_, info)| info)
    }

    /// The layers that have an item, in the order of looking.
    pub(super) fn holding(&self, path: &StorePath) -> impl Iterator<Item = (&Layer, ItemInfo)> {
        let known = self.items.get(&key(path)).filter(|(known, _)| known == path);
        let numbers = known.into_iter().flat_map(|(_, numbers)| numbers);
        numbers.filter_map(|number| {
            let layer = self.all.get(*number)?;
            Some((layer, layer.info(path)?))
        })
    }
}

/// The layers that a store's own metadata name.
fn remembered(var: &Path) -> Result<Vec<String>, StoreError> {
    let file = var.join("layers.json");
    match fs::read(&file) {
        Ok(text) => {
            serde_json::from_slice(&text).map_err(|source| StoreError::Metadata { path: file, source })
        }
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(StoreError::Io { action: "read", path: file, source }),
    }
}

impl LocalStore {
    /// The store directories of the layers, in the order of looking.
    pub fn layers(&self) -> impl Iterator<Item = &Path> {
        self.layers.all.iter().map(|layer| Path::new(&layer.store))
    }

    /// The store directory that an item lies in: the own one, also for what is nowhere yet, or a layer's.
    pub(super) fn directory_of(&self, path: &StorePath) -> &Path {
        if self.layers.all.is_empty() || self.is_own(path).unwrap_or(true) {
            return self.local_dir();
        }
        self.layers.holding(path).next().map_or(self.local_dir(), |(layer, _)| Path::new(&layer.store))
    }

    /// All places of a valid item: what refers to it may mean any of them.
    pub fn places_of(&self, path: &StorePath) -> Vec<PathBuf> {
        if self.layers.all.is_empty() {
            return vec![self.own_path(path)];
        }
        let own = self.is_own(path).unwrap_or(true).then(|| self.own_path(path));
        let layers = self.layers.holding(path).map(|(layer, _)| Path::new(&layer.store).join(path.as_str()));
        own.into_iter().chain(layers).collect()
    }

    /// Whether an item lies in a layer and not in this store.
    pub fn is_in_layer(&self, path: &StorePath) -> bool {
        self.directory_of(path) != self.local_dir()
    }

    /// All valid items, those of the layers included.
    pub fn all_items(&self) -> Result<BTreeSet<StorePath>, StoreError> {
        let mut items = self.items()?;
        items.extend(self.layers.items.values().map(|(path, _)| path.clone()));
        Ok(items)
    }

    /// Where those of some items lie that lie in layers.
    pub(super) fn layer_places<'a>(&self, paths: impl IntoIterator<Item = &'a StorePath>) -> Places {
        if self.layers.all.is_empty() {
            return Places::default();
        }
        let place = |path: &'a StorePath| {
            let directory = self.directory_of(path);
            (directory != self.local_dir()).then(|| Some((key(path), directory.to_str()?.into())))?
        };
        paths.into_iter().filter_map(place).collect()
    }

    /// The layer items that a canonical text names.
    pub(super) fn named_in(&self, bytes: &[u8]) -> BTreeSet<StorePath> {
        if self.layers.all.is_empty() {
            return BTreeSet::new();
        }
        memmem::find_iter(bytes, CANONICAL_STORE)
            .filter_map(|at| bytes.get(at + CANONICAL_STORE.len()..)?.strip_prefix(b"/"))
            .filter_map(|rest| rest.first_chunk::<HASH_LENGTH>())
            .filter(|hash| hash.iter().all(|byte| is_base32(*byte)))
            .filter_map(|hash| Some(self.layers.items.get(hash)?.0.clone()))
            .collect()
    }

    /// Which layers an item's content names, and which of its references lie there.
    pub(super) fn layers_in(&self, scan: &Scan) -> BTreeMap<PathBuf, BTreeSet<StorePath>> {
        // The first text is this store's own directory.
        let named = self.layers.all.iter().zip(scan.texts.iter().skip(1));
        let mut found: BTreeMap<PathBuf, BTreeSet<StorePath>> = named
            .filter(|(_, named)| **named)
            .map(|(layer, _)| (PathBuf::from(&layer.store), BTreeSet::new()))
            .collect();
        self.sort_by_layer(&scan.references, &mut found);
        found
    }

    /// Adds to each layer those of some references that lie there.
    pub(super) fn sort_by_layer(
        &self,
        references: &BTreeSet<StorePath>,
        found: &mut BTreeMap<PathBuf, BTreeSet<StorePath>>,
    ) {
        if self.layers.all.is_empty() {
            return;
        }
        for reference in references {
            let directory = self.directory_of(reference);
            if directory != self.local_dir() {
                found.entry(directory.to_owned()).or_default().insert(reference.clone());
            }
        }
    }

    /// Remembers layers that an item is about to refer to.
    pub(super) fn remember<'a>(
        &self,
        layers: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Result<(), StoreError> {
        let layers: Vec<&str> = layers.into_iter().filter_map(|layer| layer.to_str()).collect();
        let known = remembered(&self.var)?;
        if layers.iter().all(|layer| known.iter().any(|known| known == layer)) {
            return Ok(());
        }
        let _alone = self.file_lock("layers.lock", true)?;
        let mut known = remembered(&self.var)?;
        for layer in layers {
            if !known.iter().any(|known| known == layer) {
                known.push(layer.to_owned());
            }
        }
        self.write_layers(&known)
    }

    fn write_layers(&self, layers: &[String]) -> Result<(), StoreError> {
        let text = serde_json::to_vec(layers).expect("names are JSON");
        let draft = self.work_path("layers")?;
        files::write_by_rename(&draft, &self.var.join("layers.json"), &text, self.config.durable)
    }

    /// Forgets a layer, which need not be there any more: deletes the items of this store that refer to it, and what refers to those.
    ///
    /// # Errors
    /// When another process uses the store, or files cannot be removed.
    pub fn detach(config: StoreConfig, layer: &Path) -> Result<Vec<StorePath>, StoreError> {
        let store = LocalStore::without_layers(config)?;
        store.check_group()?;
        let name = StoreConfig::at(layer)?.store;
        let graveyard = store.work_dir("detach")?;
        let alone = store.garbage_lock(true)?;
        if store.has_other_sessions()? {
            return Err(StoreError::InUse { path: store.local_dir().to_owned() });
        }
        let mut infos: BTreeMap<StorePath, ItemInfo> = BTreeMap::new();
        for path in store.items()? {
            // What cannot be read is of no use, and `gc` takes it.
            if let Ok(info) = store.info(&path) {
                infos.insert(path, info);
            }
        }
        let mut kept: HashSet<StorePath> = infos
            .values()
            .filter(|info| !info.layers.contains_key(Path::new(&name)))
            .map(|info| info.path.clone())
            .collect();
        loop {
            let dead = |info: &ItemInfo| {
                info.references.iter().any(|path| infos.contains_key(path) && !kept.contains(path))
            };
            let more: Vec<StorePath> = infos
                .values()
                .filter(|info| kept.contains(&info.path) && dead(info))
                .map(|info| info.path.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            kept.retain(|path| !more.contains(path));
        }
        let gone = users_first(&infos, &kept);
        for (number, path) in gone.iter().enumerate() {
            let info = store.info_file(path);
            fs::remove_file(&info).map_err(StoreError::io("remove", &info))?;
            if files::exists(&store.own_path(path))? {
                files::move_tree(&store.own_path(path), &graveyard.join(number.to_string()))?;
            }
        }
        let left: Vec<String> = remembered(&store.var)?.into_iter().filter(|known| *known != name).collect();
        store.write_layers(&left)?;
        drop(alone);
        files::remove_tree(&graveyard).map_err(StoreError::io("remove", &graveyard))?;
        Ok(gone)
    }
}

/// The references of items to layers that no longer hold.
impl LocalStore {
    /// The references of an item to a layer that does not have them any more.
    pub(super) fn lost_in_layers(&self, info: &ItemInfo) -> Vec<StorePath> {
        let held = |layer: &Path, path: &StorePath| {
            self.layers.holding(path).any(|(holding, _)| Path::new(&holding.store) == layer)
        };
        let pairs = info.layers.iter().flat_map(|(layer, paths)| paths.iter().map(move |path| (layer, path)));
        pairs.filter(|(layer, path)| !held(layer, path)).map(|(_, path)| path.clone()).collect()
    }

    /// The items of layers that items of this store refer to, directly or not, with their metadata.
    pub(super) fn used_of_layers(&self, own: &BTreeSet<StorePath>) -> HashMap<StorePath, ItemInfo> {
        let mut used = HashMap::new();
        if self.layers.all.is_empty() {
            return used;
        }
        let mut left: Vec<StorePath> =
            own.iter().filter_map(|path| self.info(path).ok()).flat_map(|info| info.references).collect();
        while let Some(path) = left.pop() {
            if !own.contains(&path)
                && !used.contains_key(&path)
                && let Some(info) = self.layers.info(&path)
            {
                left.extend(info.references.iter().cloned());
                used.insert(path, info);
            }
        }
        used
    }
}
