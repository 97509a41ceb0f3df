// What every container runtime promises; run against the real and the simulated.
#pragma once
#include <functional>
#include <memory>

#include "net/cri/runtime.hpp"

namespace troupe::net::cri::test {

class rig {
 public:
  virtual ~rig() = default;
  virtual runtime& on() = 0;
  virtual const std::string& image() const = 0;     ///< With a shell that knows sleep, sh and exit.
  virtual bool until(const std::function<bool()>& done) = 0;
  virtual void kill_runtime() = 0;                  ///< And start it again.
  virtual std::string uid() = 0;                    ///< Of a pod that no other has.
};
/// Runs all promises.
void check_contract(const std::function<std::unique_ptr<rig>()>& make);

}  // namespace troupe::net::cri::test
