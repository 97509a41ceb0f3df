// DNS over TCP: each message after its length in two bytes (RFC 1035, 4.2.2).
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace troupe::dns {

inline std::string framed(std::string_view message) {
  std::string out;
  out.push_back(static_cast<char>(message.size() >> 8 & 255));
  out.push_back(static_cast<char>(message.size() & 255));
  return out.append(message);
}

/// Gathers bytes into messages. Holds one message at most, 64 KiB.
class unframer {
 public:
  /// Shows each whole message; `show` answers whether to go on.
  void take(std::string_view data, const std::function<bool(std::string_view)>& show) {
    kept_.append(data);
    while (kept_.size() >= 2) {
      const auto size = static_cast<std::size_t>(static_cast<unsigned char>(kept_[0])) << 8 | static_cast<unsigned char>(kept_[1]);
      if (kept_.size() < size + 2) return;
      const auto message = kept_.substr(2, size);
      kept_.erase(0, size + 2);
      if (!show(message)) return;
    }
  }

 private:
  std::string kept_;
};

}  // namespace troupe::dns
