#include "storage/embedded/row.hpp"

#include <array>
#include <string>

#include "storage/log/checksum.hpp"

namespace troupe::storage {
namespace {
// The same bytes on every machine: eight little-endian ones per number, the key's length so that key
// and value cannot trade places.
template <std::size_t N>
std::uint32_t checksum_numbers(const std::array<std::int64_t, N>& numbers) noexcept {
  std::array<char, N * 8> raw;
  for (std::size_t i = 0; i < N; ++i)
    for (std::size_t b = 0; b < 8; ++b)
      raw[i * 8 + b] = static_cast<char>(static_cast<std::uint64_t>(numbers[i]) >> (8 * b));
  return crc32c({raw.data(), raw.size()});
}
}  // namespace

std::uint32_t number_checksum(std::string_view name, std::int64_t value) noexcept {
  return crc32c(name, checksum_numbers(std::array{value}));
}

std::uint32_t log_row::checksum() const noexcept {
  const std::uint32_t numbers = checksum_numbers(std::array<std::int64_t, 7>{
      at, static_cast<std::int64_t>(kind), previous, created, version, lease, static_cast<std::int64_t>(key.size())});
  return crc32c(value, crc32c(key, numbers));
}

record log_row::to_record() const {
  return {std::string(key), bytes(std::string(value)), created, at, version};
}

change log_row::to_change() const {
  change out;
  out.at = at;
  out.key = key;
  if (kind == row_kind::put) out.value = bytes(std::string(value));
  out.created = created;
  out.previous = version == 1 ? 0 : previous;  // A creation's chain leads to a tombstone: nothing live is replaced.
  out.version = version;
  out.erased = kind == row_kind::erase;
  return out;
}

std::array<meta_values::number, meta_values::count> meta_values::numbers() const {
  return {{{"head_rev", ends.head},
           {"compact_rev", ends.floor},
           {"copy", copy ? 1 : 0},
           {"reserved_rev", reserved},
           {"hole_from", ends.hole_from},
           {"hole_to", ends.hole_to}}};
}

bool meta_values::take(std::string_view name, std::int64_t value) {
  if (name == "head_rev") ends.head = value;
  else if (name == "compact_rev") ends.floor = value;
  else if (name == "copy") copy = value != 0;
  else if (name == "reserved_rev") reserved = value;
  else if (name == "hole_from") ends.hole_from = value;
  else if (name == "hole_to") ends.hole_to = value;
  else return false;
  return true;
}

}  // namespace troupe::storage
