;;; A manifest as Guix's tutorial writes it.

(specifications->manifest
 (list "hello"))
