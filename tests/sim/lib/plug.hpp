// Joins a simulated disk to a world: file times from its clock, operations in its event hash, and a
// power cut that ends the process using the disk before it can act again.
#pragma once

#include "tests/sim/lib/sim_disk.hpp"
#include "tests/sim/lib/world.hpp"

namespace posthouse::sim {

// To be called again for the process that takes over after crash(). Disk and process must stay
// alive until the world ends, or until plug() is called with others.
void plug(World& world, SimDisk& disk, Process& process);

}  // namespace posthouse::sim
