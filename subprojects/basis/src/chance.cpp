#include <sys/random.h>

#include "basis/agenda.hpp"
#include "basis/bytes.hpp"
#include "basis/check.hpp"
#include "basis/rng.hpp"

namespace troupe {
namespace {
std::uint64_t split_mix(std::uint64_t& x) noexcept {
  std::uint64_t z = (x += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}
std::uint64_t rotl(std::uint64_t x, int k) noexcept { return x << k | x >> (64 - k); }

class kernel_entropy final : public entropy {
 public:
  std::string draw(std::size_t count) override {
    std::string out(count, '\0');
    std::size_t done = 0;
    while (done < count) {
      const ssize_t n = getrandom(out.data() + done, count - done, 0);
      CHECK_THAT(n > 0);
      done += static_cast<std::size_t>(n);
    }
    return out;
  }
};
}  // namespace

rng::rng(std::uint64_t seed) noexcept : seed_(seed) {
  for (auto& word : state_) word = split_mix(seed);
}

rng rng::fork(std::string_view name) const noexcept {
  std::uint64_t hash = 1469598103934665603ull ^ seed_;
  for (unsigned char c : name) hash = (hash ^ c) * 1099511628211ull;
  return rng(split_mix(hash));
}

std::uint64_t rng::next() noexcept {  // xoshiro256**
  const std::uint64_t out = rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotl(state_[3], 45);
  return out;
}

std::uint64_t rng::below(std::uint64_t bound) noexcept { return bound == 0 ? 0 : next() % bound; }

std::string entropy::uuid() {
  std::string raw = draw(16);
  raw[6] = static_cast<char>((raw[6] & 0x0f) | 0x40);
  raw[8] = static_cast<char>((raw[8] & 0x3f) | 0x80);
  const std::string hex = to_hex(raw);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

entropy& system_entropy() {
  static kernel_entropy source;
  return source;
}

agenda::entry agenda::in(duration after, task what) {
  const entry key{now_ + (after < duration::zero() ? duration::zero() : after), ++counter_};
  due_.emplace(key, std::move(what));
  return key;
}

std::optional<mono_time> agenda::next_due() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first.first;
}

bool agenda::run_one() {
  if (due_.empty() || due_.begin()->first.first > now_) return false;
  auto node = due_.extract(due_.begin());
  node.mapped()();
  return true;
}

}  // namespace troupe
