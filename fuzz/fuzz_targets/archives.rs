//! Files from strangers: archives, what caches say, derivations. Each is taken, or refused with nothing written outside.

#![no_main]

use hpcl::{cache::NarInfo, derivation::Derivation, nar, store_path::StoreDir};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => {
            let place = tempfile::tempdir_in("/dev/shm").expect("a temporary directory");
            let tree = place.path().join("in/tree");
            std::fs::create_dir(place.path().join("in")).expect("an empty directory");
            if nar::restore(&mut &*rest, &tree).is_ok() {
                let mut again = Vec::new();
                nar::dump(&tree, &mut again).expect("what was restored can be dumped");
                assert_eq!(again, rest);
            }
            assert_eq!(std::fs::read_dir(place.path()).expect("it is there").count(), 1);
        }
        1 => {
            let text = String::from_utf8_lossy(rest);
            if let Ok(info) = NarInfo::parse(&StoreDir::CANONICAL, &text) {
                let again = NarInfo::parse(&StoreDir::CANONICAL, &info.to_text(&StoreDir::CANONICAL));
                assert_eq!(again.as_ref(), Ok(&info));
            }
        }
        2 => {
            if let Ok(derivation) = Derivation::parse("fuzz", rest) {
                assert_eq!(derivation.to_aterm(), rest);
            }
        }
        _ => {
            let place = tempfile::tempdir_in("/dev/shm").expect("a temporary directory");
            let file = place.path().join("archive");
            std::fs::write(&file, rest).expect("a file");
            let to = place.path().join("to");
            let _ = hpcl::archive::unpack_archive(&file, &to);
            let outside = std::fs::read_dir(place.path()).expect("it is there").count();
            assert!(outside <= 2);
        }
    }
});
