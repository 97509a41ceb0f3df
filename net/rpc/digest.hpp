// SHA-256 of what comes in pieces, for streams that end with their digest.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace troupe::net::rpc {

class digest {
 public:
  digest();
  ~digest();
  void add(std::string_view piece);
  /// 32 raw bytes; once, after which nothing may be added.
  std::string finish();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace troupe::net::rpc
