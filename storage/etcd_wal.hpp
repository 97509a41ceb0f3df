// The log of an etcd that stands still, as far as a reset needs it: the files below member/wal, named
// "<number>-<index of its first entry>.wal" in hexadecimal. Pure.
//
// Format (etcd 3.4, wal/encoder.go, wal/walpb): records one after the other, then zeros up to the size that was reserved. A
// record: eight bytes, little-endian, the length in the lower 56 bits and 0x80 plus the padding's length in the upper 8; then
// protobuf (1: kind, 2: crc, 3: data), padded to eight bytes. The crc is a CRC-32C that runs on through the data of all
// records; a record of kind 4 begins a file and carries the crc of the file before. Kind 2 is an entry, kind 3 the state
// (1: term, 2: vote, 3: commit).
#pragma once
#include <cstdint>
#include <string>

#include "basis/result.hpp"

namespace troupe::storage {

/// A killed etcd has entries on disk, synced and acknowledged, which its last state does not call committed yet: it notes
/// that with the next ones. `--force-new-cluster` throws such entries away. This is the last file of its log with one more
/// state that commits all there is; what was torn by the end is cut off, as etcd itself does. The same file when nothing is
/// missing. `first_index` is the index in its name. `corrupt` when it is no such file, or holds no state.
result<std::string> with_all_committed(std::string file, std::uint64_t first_index);

}  // namespace troupe::storage
