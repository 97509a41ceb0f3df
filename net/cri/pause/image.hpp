// The image of our own pause program (pause.cpp), as an archive that a runtime can import. Made by the build.
#pragma once
#include <string_view>

namespace troupe::net::cri {

inline constexpr const char* pause_image = "localhost/troupe-pause:1";
/// A tar as `docker save` writes it; lives for ever.
std::string_view pause_archive();

}  // namespace troupe::net::cri
