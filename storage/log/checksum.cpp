#include "storage/log/checksum.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace troupe::storage {
namespace {
using tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr tables make_tables() {
  tables out{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    out[0][i] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t i = 0; i < 256; ++i) out[k][i] = (out[k - 1][i] >> 8) ^ out[0][out[k - 1][i] & 0xff];
  return out;
}
constexpr tables slice = make_tables();

std::uint32_t by_table(const char* at, std::size_t left, std::uint32_t crc) noexcept {
  for (; left >= 8; at += 8, left -= 8) {
    const auto byte = [&](int i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(at[i])); };
    const std::uint32_t low = crc ^ (byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24);
    crc = slice[7][low & 0xff] ^ slice[6][low >> 8 & 0xff] ^ slice[5][low >> 16 & 0xff] ^ slice[4][low >> 24] ^
          slice[3][byte(4)] ^ slice[2][byte(5)] ^ slice[1][byte(6)] ^ slice[0][byte(7)];
  }
  for (; left > 0; ++at, --left) crc = (crc >> 8) ^ slice[0][(crc ^ static_cast<unsigned char>(*at)) & 0xff];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(const char* at, std::size_t left,
                                                               std::uint32_t crc) noexcept {
  std::uint64_t wide = crc;
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; left > 0; ++at, --left) crc = _mm_crc32_u8(crc, static_cast<unsigned char>(*at));
  return crc;
}
const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
#endif
}  // namespace

std::uint32_t crc32c(std::string_view data, std::uint32_t seed) noexcept {
#if defined(__x86_64__)
  if (has_instruction) return ~by_instruction(data.data(), data.size(), ~seed);
#endif
  return crc32c_by_table(data, seed);
}

std::uint32_t crc32c_by_table(std::string_view data, std::uint32_t seed) noexcept {
  return ~by_table(data.data(), data.size(), ~seed);
}

}  // namespace troupe::storage
