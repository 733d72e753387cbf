/* One LED on one GPIO pin (RM0385 chapters 5.3.10 and 6.4); the build says which. */
#ifndef EXAMPLE_LED_H
#define EXAMPLE_LED_H

#include <stdint.h>

#define RCC_AHB1ENR   (*(volatile uint32_t *)0x40023830u)
#define GPIO_REG(off) (*(volatile uint32_t *)(0x40020000u + 0x400u * (LED_PORT) + (off)))

static inline void led_init(void)
{
    RCC_AHB1ENR |= 1u << (LED_PORT);
    (void)RCC_AHB1ENR; /* two clocks until the port answers (RM0385 5.2.14) */
    GPIO_REG(0x00) = (GPIO_REG(0x00) & ~(3u << (2 * (LED_PIN)))) | (1u << (2 * (LED_PIN)));
}

static inline void led_set(int on)
{
    GPIO_REG(0x18) = 1u << (on ? (LED_PIN) : (LED_PIN) + 16);
}

#endif
