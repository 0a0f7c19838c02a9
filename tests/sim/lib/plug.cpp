// See the header.
#include "tests/sim/lib/plug.hpp"

namespace posthouse::sim {

void plug(World& world, SimDisk& disk, Process& process) {
  disk.set_clock(&world.clock());
  disk.set_observer([&world](const DiskOp& op) { world.record("disk", op.text()); });
  disk.on_cut([&world, &process] { world.kill(process, Death::power_cut); });
}

}  // namespace posthouse::sim
