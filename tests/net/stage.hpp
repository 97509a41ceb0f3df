// What the contract tests run on: two ends that reach each other, and a loop that can be turned
// until something holds. Real and simulated ports offer the same stage.
#pragma once
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/dialer.hpp"
#include "net/listener.hpp"
#include "net/shard.hpp"
#include "net/tls/issuer.hpp"
#include "net/tls/tls.hpp"

namespace troupe::net::test {

/// What must happen may take this long on a busy machine under a sanitizer; it only ends tests that would wait for ever.
inline constexpr duration patience = 60s;

class stage {
 public:
  virtual ~stage() = default;
  virtual shard& on() = 0;
  virtual dialer& dials() = 0;
  virtual acceptor& accepts() = 0;
  /// An address that the stage can listen on, port 0.
  virtual endpoint anywhere() const = 0;
  /// Turns the loop until `done`; false when it does not become true in ample time.
  virtual bool until(const std::function<bool()>& done) = 0;
  /// Turns the loop for a little while, for what should not happen.
  virtual void settle() = 0;
  virtual tls::provider& tls() = 0;
  virtual tls::issuer& issuer() = 0;
  virtual wall_time calendar() const = 0;
};

std::unique_ptr<stage> make_real_stage();
/// Two simulated computers; time jumps, so nothing is waited for.
std::unique_ptr<stage> make_sim_stage();

/// Notes all that a stream tells.
struct recorder : stream_sink {
  void on_data(std::string_view data) override {
    text.append(data);
    if (on_text) on_text(data);
  }
  void on_drained() override { ++drained; }
  void on_closed(const error& why) override {
    ++closes;
    end = why;
    if (on_end) on_end();
  }
  std::string text;
  int drained = 0, closes = 0;
  std::optional<error> end;
  std::function<void(std::string_view)> on_text;
  std::function<void()> on_end;
};

/// Both ends of one connection.
struct pair {
  stream_ptr near, far;
  std::unique_ptr<listener> door;
};

inline pair connect(stage& at) {
  pair out;
  auto door = at.accepts().listen(at.anywhere(), [&out](stream_ptr s) { out.far = std::move(s); });
  REQUIRE(door.ok());
  out.door = std::move(*door);
  at.dials().dial(out.door->address(), patience, [&out](result<stream_ptr> s) {
    REQUIRE_MESSAGE(s.ok(), s.why().text());
    out.near = std::move(*s);
  });
  REQUIRE(at.until([&] { return out.near && out.far; }));
  return out;
}

}  // namespace troupe::net::test
