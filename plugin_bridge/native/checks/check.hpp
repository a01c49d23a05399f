// What the checks share: a law that does not hold ends the program with a sentence.
#pragma once

#include <cstdio>
#include <cstdlib>

inline void hold(bool law, const char* sentence)
{
    if (law)
        return;
    std::printf("broken: %s\n", sentence);
    std::exit(1);
}
