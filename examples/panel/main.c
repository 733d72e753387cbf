/* An operating panel: steps through its screens, whose pictures lie in the QSPI chip. */
#include <stdint.h>

#include "led.h"

#define SCREENS     4u
#define SCREEN_SIZE (480u * 272u * 2u) /* RGB565 */
#define TITLE_SIZE  64u

extern const uint8_t assets[];

struct screen {
    const uint8_t *picture;
    uint32_t shown;
};

static volatile uint32_t brightness[SCREENS] = {100, 80, 60, 40}; /* loaded from flash at reset */
static struct screen screens[SCREENS];

int main(void)
{
    led_init();
    for (uint32_t i = 0; i < SCREENS; i++) {
        screens[i].picture = assets + TITLE_SIZE + i * SCREEN_SIZE;
    }
    for (uint32_t now = 0;; now = (now + 1u) % SCREENS) {
        screens[now].shown++;
        led_set((int)(now & 1u));
        for (volatile uint32_t wait = 0; wait < 1000u * brightness[now]; wait++) {
        }
    }
}
