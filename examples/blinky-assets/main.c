/* Blinks the board's LED. Its pictures and fonts lie in the QSPI chip; a display driver would map the
 * chip and read them from `assets`. */
#include <stdint.h>

#include "led.h"

extern const uint8_t assets[];

static volatile uint32_t pattern = 0xA5F00FA5u; /* initialised: loaded from flash into RAM at reset */
static volatile uint32_t beats;
const uint8_t *volatile frame;

int main(void)
{
    led_init();
    frame = assets;
    for (;;) {
        led_set((int)(pattern >> (beats & 31u)) & 1);
        for (volatile uint32_t wait = 0; wait < 100000u; wait++) {
        }
        beats++;
    }
}
