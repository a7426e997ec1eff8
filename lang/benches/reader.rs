//! How fast recipes are read: MB/s of a synthetic file that has the shapes of a Guix package module.
//!
//! `cargo bench -p hpcl-lang --bench reader`. `lex` is not measured alone: tokens are made for the grammar as it asks.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hpcl_lang::{print::write_datum, reader::read, span::FileId};

/// Returns definitions of about so many bytes together.
fn recipes(bytes: usize) -> String {
    let mut text = String::from("(define-module (bench packages)\n  #:use-module (guix packages))\n\n");
    let mut number = 0;
    while text.len() < bytes {
        number += 1;
        text.push_str(&format!(
            r##";; A comment of usual length stands before package {number}.
(define-public package-{number}
  (package
    (name "package-{number}")
    (version "{number}.4.2")
    (source (origin
              (method url-fetch)
              (uri (string-append "https://example.org/package-{number}/" name "-" version ".tar.gz"))
              (sha256 (base32 "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"))
              (modules '((guix build utils)))
              (snippet '(begin (delete-file-recursively "vendor") #t))))
    (build-system gnu-build-system)
    (arguments
     (list #:configure-flags #~(list "--disable-static" (string-append "--with-zlib=" #$(this-package-input "zlib")))
           #:tests? #f                  ; needs the network
           #:phases
           #~(modify-phases %standard-phases
               (add-after 'unpack 'patch
                 (lambda* (#:key inputs outputs #:allow-other-keys)
                   (substitute* '("configure" "Makefile.in")
                     (("/bin/sh") (search-input-file inputs "bin/sh"))
                     (("-O3 ") ""))))
               (delete 'check))))
    (native-inputs (list pkg-config `(,gcc "lib") perl))
    (inputs (list zlib package-{previous} openmpi))
    (home-page "https://example.org/package-{number}")
    (synopsis "Library number {number} of the benchmark")
    (description
     "This package has a description of usual length.  It runs over some lines, has a
\"quoted\" word, and ends here, after telling what the library number {number} does.")
    (license (list license:gpl3+ license:bsd-3))))

"##,
            previous = number - 1,
        ));
    }
    text
}

fn reading(c: &mut Criterion) {
    let text = recipes(4 << 20);
    let mut group = c.benchmark_group("reader");
    group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(10);
    group.bench_function("recipes", |b| b.iter(|| black_box(read(FileId(0), black_box(&text)))));
    let (data, errors) = read(FileId(0), &text);
    assert!(errors.is_empty(), "{errors:?}");
    group.bench_function("printing", |b| b.iter(|| data.iter().map(|d| write_datum(d).len()).sum::<usize>()));
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
