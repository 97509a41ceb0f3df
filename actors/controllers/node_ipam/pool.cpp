#include "actors/controllers/node_ipam/pool.hpp"

#include <algorithm>
#include <charconv>

namespace troupe::controllers {

result<network4> parse_network4(std::string_view text) {
  const auto bad = [&] { return fail(errc::invalid, "\"" + std::string(text) + "\" is no IPv4 network, as in 10.42.0.0/16"); };
  const auto slash = text.find('/');
  if (slash == text.npos) return bad();
  network4 out;
  const auto* at = text.data();
  const auto* const end = text.data() + slash;
  for (int i = 0; i < 4; ++i) {
    unsigned part = 0;
    const auto read = std::from_chars(at, end, part);
    if (read.ec != std::errc() || part > 255 || (i < 3 ? (read.ptr == end || *read.ptr != '.') : read.ptr != end)) return bad();
    out.base = out.base << 8 | part;
    at = read.ptr + 1;
  }
  const auto bits = text.substr(slash + 1);
  const auto read = std::from_chars(bits.data(), bits.data() + bits.size(), out.bits);
  if (read.ec != std::errc() || read.ptr != bits.data() + bits.size() || out.bits > 32) return bad();
  const std::uint32_t hosts = out.bits == 32 ? 0 : 0xffffffffu >> out.bits;
  if ((out.base & hosts) != 0) return bad();
  return out;
}

std::string to_string(const network4& of) {
  return std::to_string(of.base >> 24) + "." + std::to_string(of.base >> 16 & 255) + "." + std::to_string(of.base >> 8 & 255) + "." +
         std::to_string(of.base & 255) + "/" + std::to_string(of.bits);
}

cidr_pool::cidr_pool(network4 cluster) : cluster_(cluster), bits_(std::max(cluster.bits, node_bits)) {
  size_ = std::uint64_t{1} << (bits_ - cluster_.bits);
}

bool cidr_pool::occupy(const std::string& node, std::string_view cidr) {
  const auto seen = parse_network4(cidr);
  if (!seen.ok() || seen->bits != bits_ || seen->base < cluster_.base) return false;
  const std::uint64_t piece = (seen->base - cluster_.base) >> (32 - bits_);
  if (piece >= size_) return false;
  const auto [at, fresh] = owner_.emplace(piece, node);
  if (!fresh && at->second != node) return false;
  // What was only given in thought (a write that did not arrive) is free again.
  if (const auto had = piece_of_.find(node); had != piece_of_.end() && had->second != piece) owner_.erase(had->second);
  piece_of_[node] = piece;
  return true;
}

void cidr_pool::free(const std::string& node) {
  const auto had = piece_of_.find(node);
  if (had == piece_of_.end()) return;
  owner_.erase(had->second);
  piece_of_.erase(had);
}

std::optional<network4> cidr_pool::allocate(const std::string& node) {
  const auto make = [this](std::uint64_t piece) { return network4{cluster_.base + static_cast<std::uint32_t>(piece << (32 - bits_)), bits_}; };
  if (const auto had = piece_of_.find(node); had != piece_of_.end()) return make(had->second);
  if (owner_.size() >= size_) return std::nullopt;
  while (owner_.contains(next_)) next_ = (next_ + 1) % size_;
  const auto piece = next_;
  next_ = (next_ + 1) % size_;
  owner_.emplace(piece, node);
  piece_of_[node] = piece;
  return make(piece);
}

}  // namespace troupe::controllers
