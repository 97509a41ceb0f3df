// CRC-32C (Castagnoli, RFC 3720 B.4), by the processor's instruction where it has one and by
// table elsewhere. Pure; any thread. Guards every record, because SQLite's own integrity check
// does not notice a flipped bit inside a value.
#pragma once
#include <cstdint>
#include <string_view>

namespace troupe::storage {

/// The checksum of `data` continued from `seed` (0 to begin). `crc32c("123456789")` is 0xe3069283.
std::uint32_t crc32c(std::string_view data, std::uint32_t seed = 0) noexcept;
/// The same by table only; both ways must agree, on every machine.
std::uint32_t crc32c_by_table(std::string_view data, std::uint32_t seed = 0) noexcept;

}  // namespace troupe::storage
