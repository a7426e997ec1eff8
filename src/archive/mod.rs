//! Unpacks tar, ar, deb and zip archives, whatever their compression.
