#include "bin/memory.hpp"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace troupe::bin {

void release_startup_pages() {
  malloc_trim(0);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0, to = 0;
    char rights[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, rights) != 3) continue;
    // Only code of files: it is never written, so nothing can be lost. Read-only data may hold
    // relocations that were written once and must stay.
    if (std::string_view(rights) != "r-xp" || line.find('/') == std::string::npos) continue;
    madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
  }
}

}  // namespace troupe::bin
