// HTTP/1.1 messages out of bytes, piece by piece: one parser for both halves. Pure; reads what
// strangers send. What could be read in two ways (smuggling) is refused.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "net/http/message.hpp"

namespace troupe::net::http {

enum class parser_side : std::uint8_t { requests, responses };

/// What one feed() came to. `consumed` bytes are done with; feed the rest again.
struct parsed {
  enum class event : std::uint8_t {
    more,       ///< Everything was taken; nothing to report yet.
    head,       ///< start() and headers() are there.
    body,       ///< `data` is a piece of the body (a view into what was fed).
    complete,   ///< The message is over. The next feed begins another.
    failed,     ///< status() and why() say how to refuse; the stream cannot be read on.
  };
  event what = event::more;
  std::size_t consumed = 0;
  std::string_view data;
};

class parser {
 public:
  explicit parser(parser_side side, std::size_t head_max = head_bytes_max) : side_(side), head_max_(head_max) {}

  parsed feed(std::string_view data);
  /// The stream has ended: true when that completes the message (a response without a length).
  bool end_of_stream();

  // After event::head, until the next message:
  const std::string& method() const { return method_; }
  const std::string& target() const { return target_; }
  int status() const { return status_; }              ///< Responses: the code. After failed: how to refuse.
  const std::string& why() const { return why_; }
  header_list& headers() { return headers_; }
  bool keep_alive() const { return keep_alive_; }
  bool old_version() const { return old_version_; }    ///< HTTP/1.0.
  bool chunked() const { return framing_ == framing::chunked; }
  bool expects_continue() const { return expect_continue_; }
  std::uint64_t length() const { return left_; }       ///< Right after head: the announced length.
  bool begun() const { return where_ != place::start || !line_.empty(); }
  bool reading_head() const { return where_ == place::start || where_ == place::fields; }
  /// Responses: the answer to HEAD, or to an upgrade, has no body. Call after head.
  void no_body();

 private:
  enum class place : std::uint8_t { start, fields, counted, to_the_end, chunk_size, chunk_data, chunk_end, trailers, done, broken };
  enum class framing : std::uint8_t { none, counted, chunked, to_the_end };

  parsed fail(int status, std::string why, std::size_t consumed);
  bool take_line(std::string_view& data, std::size_t& consumed, parsed& out);
  bool read_start(std::string_view line);
  bool read_field(std::string_view line);
  bool read_trailer(std::string_view line);
  bool shorten_target();
  bool end_head();
  bool read_chunk_size(std::string_view line);
  bool refuse(int status, std::string why);
  void reset();

  parser_side side_;
  std::size_t head_max_;
  place where_ = place::start;
  framing framing_ = framing::none;
  std::string line_, method_, target_, why_;
  std::size_t head_bytes_ = 0;
  int status_ = 0;
  std::uint64_t left_ = 0;
  header_list headers_;
  bool keep_alive_ = true, expect_continue_ = false, old_version_ = false;
};

}  // namespace troupe::net::http
