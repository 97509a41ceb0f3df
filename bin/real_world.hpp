// The world as it is: this machine's sockets, files, clock and chance, with the real stage. Made once
// per process, by main's thread; everything in it ends with it.
#pragma once
#include <memory>
#include <string>

#include "actors/runtime/world.hpp"

namespace troupe::bin {

class real_world {
 public:
  real_world();
  ~real_world();
  rt::world& get();

 private:
  struct inside;
  std::unique_ptr<inside> in_;
};

}  // namespace troupe::bin
