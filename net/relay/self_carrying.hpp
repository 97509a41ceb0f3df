// A stream that can carry bytes to another of its kind more cheaply than by its sink. What net::splice asks first.
#pragma once
#include <memory>

#include "net/relay/relay.hpp"

namespace troupe::net {

class self_carrying {
 public:
  /// Takes the place of net::splice for itself and `other`, which both are spent then; or null, nothing is changed, and
  /// `ended` is still the caller's.
  virtual std::unique_ptr<relay> carry_with(stream& other, callback<void(error)>& ended) = 0;

 protected:
  ~self_carrying() = default;
};

}  // namespace troupe::net
