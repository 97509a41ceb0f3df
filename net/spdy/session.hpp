// A client's end of a SPDY/3.1 session on a stream that has been upgraded already: opens streams, says and hears bytes on them.
// On the stream's shard.
#pragma once
#include "net/shard.hpp"
#include "net/spdy/frame.hpp"
#include "net/stream.hpp"

namespace troupe::net::spdy {

class session_sink {
 public:
  virtual ~session_sink() = default;
  virtual void on_data(std::uint32_t stream, std::string_view data) = 0;
  virtual void on_end(std::uint32_t stream) = 0;      ///< The other side says no more on it (or has reset it).
  virtual void on_drained() {}
  virtual void on_closed(const error& why) = 0;       ///< The session, once, last.
};

class session {
 public:
  virtual ~session() = default;                       ///< Cuts; nothing is told any more.
  /// The number of a new stream. Names of headers in lower case.
  virtual std::uint32_t open(const header_pairs& headers) = 0;
  virtual void write(std::uint32_t stream, std::string_view data, bool last = false) = 0;
  virtual std::size_t unsent() const = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;
};

/// Takes over `on_stream`; `to` must outlive the session.
std::unique_ptr<session> attach(shard& on, stream_ptr on_stream, session_sink& to);

}  // namespace troupe::net::spdy
