#include "storage/etcd_wal.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "storage/log/checksum.hpp"

namespace troupe::storage {
namespace {

constexpr std::uint64_t entry_kind = 2, state_kind = 3, crc_kind = 4;

std::uint64_t little_endian(std::string_view from, std::size_t at) {
  std::uint64_t out = 0;
  for (std::size_t i = 8; i-- > 0;) out = out << 8 | static_cast<unsigned char>(from[at + i]);
  return out;
}

/// A protobuf message of numbers and texts, field by field.
class fields {
 public:
  explicit fields(std::string_view of) : left_(of) {}
  /// False at the end, or when it cannot be read: then `broken`.
  bool next() {
    if (left_.empty()) return false;
    const auto tag = number();
    if (broken || (tag & 7) == 1 || (tag & 7) == 5 || (tag & 7) > 5) return broken = true, false;
    which = tag >> 3;
    value = number();
    text = {};
    if ((tag & 7) == 2) {
      if (value > left_.size()) return broken = true, false;
      text = left_.substr(0, value);
      left_.remove_prefix(value);
    }
    return !broken;
  }
  std::uint64_t which = 0, value = 0;
  std::string_view text;
  bool broken = false;

 private:
  std::uint64_t number() {
    std::uint64_t out = 0;
    for (int shift = 0; shift < 64 && !left_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return out;
    }
    broken = true;
    return 0;
  }
  std::string_view left_;
};

std::optional<std::uint64_t> field(std::string_view message, std::uint64_t which) {
  for (fields all(message); all.next();)
    if (all.which == which) return all.value;
  return std::nullopt;
}

struct record {
  std::uint64_t kind = 0, crc = 0;
  std::string_view data;
  std::size_t end = 0;   ///< Where the next one begins.
};

/// Nothing: no whole record stands there.
std::optional<record> record_at(std::string_view file, std::size_t at) {
  if (file.size() - at < 8) return std::nullopt;
  const auto frame = little_endian(file, at);
  const std::uint64_t length = frame & 0x00ffffffffffffffull, padding = (frame >> 56 & 0x80) != 0 ? frame >> 56 & 7 : 0;
  if (length == 0 || length + padding > file.size() - at - 8) return std::nullopt;
  record out;
  fields all(file.substr(at + 8, length));
  while (all.next()) {
    if (all.which == 1) out.kind = all.value;
    if (all.which == 2) out.crc = all.value;
    if (all.which == 3) out.data = all.text;
  }
  if (all.broken) return std::nullopt;
  out.end = at + 8 + length + padding;
  return out;
}

void put_number(std::string& to, std::uint64_t value) {
  for (; value > 0x7f; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}
void put_field(std::string& to, std::uint64_t which, std::uint64_t value) {
  put_number(to, which << 3);
  put_number(to, value);
}

std::string encoded(std::uint64_t kind, const std::string& data, std::uint32_t crc) {
  std::string body;
  put_field(body, 1, kind);
  put_field(body, 2, crc);
  put_number(body, 3 << 3 | 2);
  put_number(body, data.size());
  body += data;
  const std::size_t padding = (8 - body.size() % 8) % 8;
  const std::uint64_t frame = body.size() | (padding == 0 ? 0 : (0x80 | static_cast<std::uint64_t>(padding)) << 56);
  std::string out;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(frame >> (8 * i)));
  return out + body + std::string(padding, '\0');
}

}  // namespace

result<std::string> with_all_committed(std::string file, std::uint64_t first_index) {
  std::size_t at = 0;
  std::uint32_t crc = 0;
  std::uint64_t last = first_index == 0 ? 0 : first_index - 1;
  std::optional<std::string> state;
  for (auto one = record_at(file, at); one; one = record_at(file, at)) {
    if (at == 0 && one->kind != crc_kind) return fail(errc::corrupt, "it does not begin as a log of etcd does");
    const auto next = one->kind == crc_kind ? static_cast<std::uint32_t>(one->crc) : crc32c(one->data, crc);
    if (next != static_cast<std::uint32_t>(one->crc)) break;   // torn: never synced, so never acknowledged
    if (one->kind == entry_kind) last = field(one->data, 3).value_or(last);
    if (one->kind == state_kind) state = std::string(one->data);
    crc = next;
    at = one->end;
  }
  if (at == 0 || !state) return fail(errc::corrupt, "no state of etcd can be read from it");
  const bool torn = file.find_first_not_of('\0', at) != std::string::npos;
  const auto committed = field(*state, 3).value_or(0);
  if (committed >= last && !torn) return file;
  std::string fresh;
  put_field(fresh, 1, field(*state, 1).value_or(0));
  put_field(fresh, 2, field(*state, 2).value_or(0));
  put_field(fresh, 3, std::max(committed, last));
  const auto appended = encoded(state_kind, fresh, crc32c(fresh, crc));
  std::fill(file.begin() + static_cast<std::ptrdiff_t>(at), file.end(), '\0');
  if (file.size() < at + appended.size()) file.resize(at + appended.size());
  file.replace(at, appended.size(), appended);
  return file;
}

}  // namespace troupe::storage
