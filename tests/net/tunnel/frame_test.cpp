#include <doctest/doctest.h>

#include "net/tunnel/frame.hpp"

using namespace troupe::net::tunnel;

TEST_CASE("frames are bytes as remotedialer writes them") {
  // id 1, connection 2, Data, deadline 15000, "hi": zig-zag varints 2, 4, 2, 30000.
  CHECK(encode(1, 2, frame_type::data, "hi") == std::string("\x02\x04\x02\xb0\xea\x01hi", 8));
  CHECK(encode(1, 2, frame_type::connect, "tcp/a:1") == std::string("\x02\x04\x04\xb0\xea\x01tcp/a:1", 13));
  CHECK(encode(-1, 300, frame_type::error, "EOF") == std::string("\x01\xd8\x04\x06" "EOF", 7));
  CHECK(encode(0, 0, frame_type::sync, "") == std::string("\x00\x00\x10", 3));
}

TEST_CASE("frames are read back, unknown types too, and what is none is refused") {
  for (const std::int64_t id : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{63}, std::int64_t{64}, INT64_MAX, INT64_MIN})
    for (const auto type : {frame_type::data, frame_type::error, frame_type::pause}) {
      const auto text = encode(id, 1 - id / 2, type, "payload");
      const auto f = decode(text);
      REQUIRE(f.has_value());
      CHECK(f->id == id);
      CHECK(f->connection == 1 - id / 2);
      CHECK(f->is(type));
      CHECK(f->payload == "payload");
    }
  CHECK(decode(std::string("\x02\x04\x7e", 3))->type == 63);
  CHECK_FALSE(decode("").has_value());
  CHECK_FALSE(decode("\x02").has_value());
  CHECK_FALSE(decode("\x02\x04").has_value());
  CHECK_FALSE(decode("\x02\x04\x02").has_value());                                     // Data without its deadline
  CHECK_FALSE(decode("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x01\x06").has_value());  // too long
  CHECK_FALSE(decode("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x02\x06").has_value());  // beyond 64 bits
}

TEST_CASE("lists of connections are little-endian and whole") {
  const std::vector<std::int64_t> all{2, 3, 1000000};
  CHECK(encode_sync({258}) == std::string("\x02\x01\0\0\0\0\0\0", 8));
  CHECK(*decode_sync(encode_sync(all)) == all);
  CHECK(decode_sync("")->empty());
  CHECK_FALSE(decode_sync("1234567").has_value());
}
